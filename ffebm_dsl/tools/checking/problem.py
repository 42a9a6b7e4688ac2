"""The problem on which gradients are compared: float64, converged, deterministic.

The network of the spec is built anew in float64 with its blocks set to relax until
nothing moves, and given a small random batch. Where max pooling inside a coupling keeps a
block from converging, its choices are frozen after the spec's sweeps, which leaves a
smooth problem with a well-defined gradient; that this was needed is reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from ffebm_dsl.build import build
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.registry import TARGETS
from ffebm_dsl.physics.energy import HopfieldEnergy, release
from ffebm_dsl.physics.interfaces import Cost, Equilibrium, Estimator, GradientEstimate, Status
from ffebm_dsl.physics.network import (
    BlockSettings,
    EnergyBlock,
    HybridNetwork,
    Inputs,
    PhaseReport,
    Probe,
)

TOLERANCE = 1e-13
"""Relative change per sweep below which a float64 state does not move any more."""

REMEDY_DAMPING = 0.5
"""Damping for blocks that cycle: it moves no fixed point and turns 2-cycles into decay."""


@dataclass
class Problem:
    """A converged network with its batch.

    Attributes:
        network: in float64, training mode, dropout off; relaxes to ``TOLERANCE``.
        inputs: (B, *shape) each, standard normal.
        target: labels (B,) or vectors (B, K).
        configured: each block's settings as the spec has them.
        settings: each block's settings to relax to convergence, without noise.
        frozen: blocks whose max pooling had to be frozen to converge.
        damped: blocks that had to be damped to converge.
        unconverged: blocks whose free phase does not converge all the same.
        free_reports: how each block's free phase went, from zeros to convergence.
    """

    network: HybridNetwork
    inputs: Inputs
    target: Tensor
    configured: dict[str, BlockSettings]
    settings: dict[str, BlockSettings]
    frozen: list[str] = field(default_factory=list)
    damped: list[str] = field(default_factory=list)
    unconverged: list[str] = field(default_factory=list)
    free_reports: list[PhaseReport] = field(default_factory=list)

    def cores(self) -> dict[str, EnergyBlock]:
        return {block.name: block.core for block in self.network.blocks}

    def loss(self, probe: Probe | None = None) -> float:
        """The mean loss at equilibrium; ``probe`` may change what enters a block."""
        with torch.no_grad():
            outcome = self.network(*self.inputs, self.target, probe=probe, settings=self.settings)
        return float(outcome.loss)

    def gradients(self, estimators: Mapping[str, Estimator]) -> dict[str, Tensor]:
        """Gradients of the mean loss for every parameter and block input, by label.

        ``estimators`` gives one for each block, by name; the blocks relax to convergence.
        """
        settings = self.settings
        return self.gradients_with(
            {name: replace(settings[name], estimator=e) for name, e in estimators.items()}
        )

    def gradients_with(self, settings: Mapping[str, BlockSettings]) -> dict[str, Tensor]:
        """The same, with these settings of each block."""
        entering: dict[str, Tensor] = {}

        def keep(name: str, tensor: Tensor) -> Tensor:
            entering[name] = tensor
            return tensor

        labels = self.network.labels()
        parameters = dict(self.network.named_parameters())
        given = [x.clone().requires_grad_() for x in self.inputs]
        loss = self.network(*given, self.target, probe=keep, settings=settings).loss
        tensors = [*parameters.values(), *entering.values()]
        found = torch.autograd.grad(loss, tensors, allow_unused=True, materialize_grads=True)
        names = [labels[name] for name in parameters] + list(entering)
        return dict(zip(names, found, strict=True))

    def capture(self, estimator: Estimator) -> dict[str, Captured]:
        """What each block's estimator is given in a backward pass made by ``estimator``."""
        spies = {name: Spy(estimator) for name in self.cores()}
        self.gradients(spies)
        return {name: spy.seen for name, spy in spies.items() if spy.seen is not None}


@dataclass(frozen=True)
class Captured:
    """The arguments of one call of an estimator."""

    equilibrium: Equilibrium
    cost: Cost
    weights: Tensor


class Spy(Estimator):
    """Delegates to another estimator and remembers what it was given.

    That estimator may be replaced between a forward and a backward pass.
    """

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator
        self.seen: Captured | None = None

    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        self.seen = Captured(equilibrium, cost, weights)
        return self.estimator.estimate(equilibrium, cost, weights)


def make_problem(spec: SpecIR, *, samples: int, seed: int, sweeps: int) -> Problem:
    """Build, draw a batch of ``samples``, and bring every block to convergence.

    ``sweeps`` is the most that a free phase may take.
    """
    network = build(spec, seed=seed, dtype=torch.float64)
    # Differences go to both sides of a weight that is at the end of its range.
    release(network)
    train_without_dropout(network)
    inputs, target = random_batch(spec, samples, seed)
    configured = network.settings()
    settings = {
        name: replace(s, free=replace(s.free, sweeps=sweeps, tolerance=TOLERANCE), keep_states=True)
        for name, s in ((name, s.quiet()) for name, s in configured.items())
    }
    problem = Problem(network, inputs, target, configured, settings)
    _converge(problem)
    return problem


def random_batch(spec: SpecIR, samples: int, seed: int) -> tuple[Inputs, Tensor]:
    """Inputs, standard normal, (B, *shape) each, and targets of the spec's kind."""
    generator = torch.Generator().manual_seed(seed)
    inputs = tuple(
        torch.randn((samples, *end.shape), dtype=torch.float64, generator=generator)
        for end in spec.model.inputs
    )
    target = spec.model.target
    return inputs, TARGETS[target.kind].draw(samples, target.size, generator)


def train_without_dropout(network: nn.Module) -> None:
    """Training mode, in which batch norm takes the batch's statistics, but nothing is random."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()


def _damped(settings: BlockSettings) -> BlockSettings:
    free, nudged = (
        s.damped(max(s.solver.plain.damping, REMEDY_DAMPING))
        for s in (settings.free, settings.nudged)
    )
    return replace(settings, free=free, nudged=nudged)


def _converge(problem: Problem) -> None:
    """Freeze or damp, block by block in order, what does not converge by itself."""
    for name, core in problem.cores().items():
        report = _free_report(problem, name)
        if not _all_converged(report) and core.energy.routed:
            tight = problem.settings[name]
            after = problem.configured[name].free.sweeps
            free = replace(tight.free, freeze_after=after)
            problem.settings[name] = replace(tight, free=free)
            routings = _free_report(problem, name).routings
            problem.settings[name] = replace(tight, routings=routings)
            problem.frozen.append(name)
            report = _free_report(problem, name)
        if not _all_converged(report):
            problem.settings[name] = _damped(problem.settings[name])
            problem.damped.append(name)
            report = _free_report(problem, name)
        if not _all_converged(report):
            problem.unconverged.append(name)
        # Nudged phases start next to their end: the free phase's count is ample for them.
        needed = 2 * int(report.sweeps.max()) + 50
        settings = problem.settings[name]
        nudged = replace(settings.nudged, sweeps=needed, tolerance=TOLERANCE)
        problem.free_reports.append(report)
        # From here on a free phase has only to follow a small change.
        problem.settings[name] = replace(settings, nudged=nudged, start=report.state)


def _free_report(problem: Problem, name: str) -> PhaseReport:
    problem.loss()
    return problem.cores()[name].reports[0]


def _all_converged(report: PhaseReport) -> bool:
    return bool((report.status == Status.CONVERGED).all())


def steps_of(network: HybridNetwork) -> dict[str, dict[str, float]]:
    """The steps of layers with terms, by block and layer."""
    found: dict[str, dict[str, float]] = {}
    for block in network.blocks:
        energy = block.core.energy
        if isinstance(energy, HopfieldEnergy) and len(energy.terms):
            steps = energy.steps().items()
            found[block.name] = {energy.layers[i].name: step for i, step in steps}
    return found
