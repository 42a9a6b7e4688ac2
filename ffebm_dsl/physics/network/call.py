"""One call of an energy block: its free phase, its gradient, its reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor

from ffebm_dsl.physics.energy import Energy
from ffebm_dsl.physics.gradients import LossCost
from ffebm_dsl.physics.interfaces import (
    BoundEnergy,
    Cost,
    Draws,
    EnergyDynamics,
    Equilibrium,
    GradientEstimate,
    Routings,
    Solution,
    noisy_dynamics,
)
from ffebm_dsl.physics.network.phase_report import PhaseReport
from ffebm_dsl.physics.network.strength import at_its_strength
from ffebm_dsl.physics.relaxation import forward_pass, relax

if TYPE_CHECKING:
    from ffebm_dsl.physics.hardware import Device
    from ffebm_dsl.physics.network.block import BlockSettings


@dataclass(frozen=True)
class BlockCall:
    """One call of a block, with the reports of its relaxations.

    ``batch`` is the number of samples over which the loss is a mean; ``counts`` whether this
    process has any of them, or only a placeholder row without weight; ``programming`` the key of
    the random numbers drawn when weights are programmed; ``reach`` and ``strength`` the buffers in
    which the block keeps the measured force of its nudges, and their last strength.
    """

    block: str
    settings: BlockSettings
    outputs: tuple[int, ...]
    batch: float
    counts: bool
    cost: LossCost | None
    draws: Draws | None
    reach: Tensor | None
    strength: Tensor | None
    device: Device | None
    programming: int
    reports: list[PhaseReport] = field(default_factory=list)

    def bind(
        self, energy: Energy, drives: Sequence[Tensor], weights: Mapping[str, Tensor]
    ) -> BoundEnergy:
        """The energy as its device holds it, for all phases of the call."""
        named, device = {name: w.detach() for name, w in weights.items()}, self.device
        if device is None:
            return energy.bind(drives, named)
        held = device.programmed(named, self.programming)
        if not device.asymmetric:
            return energy.bind(drives, held)
        return energy.bind(drives, held, transposed=device.transposed)

    def free_phase(self, bound: BoundEnergy) -> tuple[Solution, Routings | None]:
        """The free phase, and the routings that it froze or was given."""
        s = self.settings
        dynamics, solution = self._relaxed(bound)
        kept = _kept(dynamics, solution, s)
        self.report("free", solution, kept)
        if s.measure:
            measured = bound.quantities(solution.state)
            self.reports[-1] = replace(self.reports[-1], quantities=measured)
        return solution, kept

    def run_again(self, bound: BoundEnergy) -> list[Tensor]:
        """The states at the end of the free phase, run again without a report."""
        return self._relaxed(bound)[1].state

    def _relaxed(self, bound: BoundEnergy) -> tuple[EnergyDynamics, Solution]:
        s = self.settings
        at_zero = s.start is None
        make = partial(
            bound.dynamics,
            routings=s.routings,
            freeze_after=s.free.freeze_after,
            from_zero=at_zero,
        )
        dynamics = noisy_dynamics(make, s.force, s.free.noise, self.draws, "free")
        start = bound.zero_state() if s.start is None else s.start
        if s.free.feedforward and at_zero:
            start = forward_pass(dynamics, start)
        return dynamics, relax(dynamics, start, s.free)

    def equilibrium(
        self, bound: BoundEnergy, solution: Solution, routings: Routings | None
    ) -> Equilibrium:
        """What the free phase came to, for estimators."""
        s, device = self.settings, self.device
        return Equilibrium(
            bound,
            tuple(state.detach() for state in solution.state),
            s.free,
            replace(s.nudged, solver=s.nudged.solver.after(solution)),
            self.run_again,
            routings,
            s.force,
            self.draws,
            read=device.read if device is not None and device.updates else None,
            measured=device.measured if device is not None and device.settings.offset else None,
        )

    def gradient(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        """The estimate of the gradient; its solves are reported."""
        own = self.settings.estimator
        with nullcontext() if self.device is None else self.device.trying():
            estimator = at_its_strength(own, self.reach, self.strength, equilibrium, cost, weights)
        if self.draws is not None:
            estimator = estimator.drawn(self.draws.seed)
        estimate = estimator.estimate(equilibrium, cost, weights)
        for phase, solutions in estimate.solutions.items():
            for solution in solutions:
                self.report(phase, solution)
        return estimate

    def report(self, phase: str, solution: Solution, routings: Routings | None = None) -> None:
        residual, paces = solution.residual.detach(), solution.paces
        report = PhaseReport(self.block, phase, residual, solution.sweeps, solution.status, paces)
        if self.settings.keep_states:
            state = tuple(s.detach() for s in solution.state)
            report = replace(report, state=state, routings=routings)
        self.reports.append(report)


def _kept(dynamics: EnergyDynamics, solution: Solution, settings: BlockSettings) -> Routings | None:
    """The routings kept after the free phase; None where they follow the state."""
    frozen = settings.routings is not None or settings.free.freeze_after >= 0
    return dynamics.routings(solution.state) or None if frozen else None
