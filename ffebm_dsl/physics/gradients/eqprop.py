"""Equilibrium propagation (Scellier & Bengio 2017; centered: Laborieux et al. 2021).

With the total energy ``F = E + beta C``, relaxed to ``s(beta)`` from the free state, the
gradient of ``C(s*)`` for a weight or a drive is the derivative of ``dF/dtheta`` by beta at
0, taken as a finite difference over a few phases::

    sum over phases of weight * dF/dtheta at (beta, s(beta))

``dF/dtheta`` is the explicit derivative at a fixed state, so no phase needs a graph.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ffebm_dsl.physics.energy import EnergyDynamics, Force, Routings, per_sample
from ffebm_dsl.physics.gradients.estimator import (
    Cost,
    Equilibrium,
    Estimator,
    GradientEstimate,
    LinearCost,
)
from ffebm_dsl.physics.layout import take_rows
from ffebm_dsl.physics.relaxation import Solution, relax


class Phase(NamedTuple):
    """A phase of EP: its nudging strength, and the weight of ``dF/dtheta`` at its end."""

    beta: float
    weight: float


VARIANTS: Mapping[str, tuple[Phase, ...]] = {
    "centered": (Phase(1.0, 0.5), Phase(-1.0, -0.5)),
    "positive": (Phase(1.0, 1.0), Phase(0.0, -1.0)),
    "negative": (Phase(0.0, 1.0), Phase(-1.0, -1.0)),
}
"""The phases of each variant for a nudging strength of 1; the weights add up to 0."""


@dataclass(frozen=True)
class EquilibriumPropagation(Estimator):
    """EP with nudging strength ``beta`` > 0 in one of ``VARIANTS``.

    All nudged phases are one relaxation of a batch that holds every sample once for each.

    Raises:
        ValueError: beta not positive, or an unknown variant.
    """

    beta: float = 0.2
    variant: str = "centered"

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise ValueError(f"the nudging strength beta must be positive, not {self.beta}")
        if self.variant not in VARIANTS:
            raise ValueError(f"unknown variant {self.variant!r}; known: {', '.join(VARIANTS)}")

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases, at most one of them free (beta 0)."""
        return tuple(
            Phase(p.beta * self.beta, p.weight / self.beta) for p in VARIANTS[self.variant]
        )

    @property
    def nudges(self) -> tuple[float, ...]:
        """The strengths of the nudged phases, in order."""
        return tuple(phase.beta for phase in self.phases if phase.beta != 0)

    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        with torch.no_grad():
            dynamics, start = nudged_dynamics(equilibrium, cost, self.nudges)
            nudged = relax(dynamics, start, equilibrium.nudged)
            found = self.contrast(equilibrium, cost, weights, nudged.state, dynamics)
        solutions = [_part(nudged, k, len(weights)) for k in range(len(self.nudges))]
        return found._replace(solutions={"nudged": solutions})

    def contrast(
        self,
        equilibrium: Equilibrium,
        cost: Cost,
        weights: Tensor,
        nudged: Sequence[Tensor],
        dynamics: EnergyDynamics,
    ) -> GradientEstimate:
        """The estimate from the states of the nudged phases, one after the other in a batch.

        ``dynamics`` is what they were relaxed by: routings that it froze belong to the
        energy that was relaxed, and so to its derivative.
        """
        phases, batch = self.phases, len(weights)
        states = list(equilibrium.state), *_parts(nudged, batch)
        routings = self._routings(equilibrium, dynamics, nudged)
        order = [0 if p.beta == 0 else 1 + self.nudges.index(p.beta) for p in phases]
        chosen = [states[k] for k in order]
        # dF/dtheta = -dphi/dtheta.
        scales = [weights * -phase.weight for phase in phases]
        found = equilibrium.bound.contrast(chosen, scales, [routings[k] for k in order])
        # The cost enters F as beta C.
        stacked = [torch.cat(layer) for layer in zip(*chosen, strict=True)]
        cost_weights = torch.cat([weights * (phase.beta * phase.weight) for phase in phases])
        cost_parameters = cost.stacked(len(phases)).parameter_gradient(stacked, cost_weights)
        return GradientEstimate(found.weights, found.drives, cost_parameters)

    def _routings(
        self, equilibrium: Equilibrium, dynamics: EnergyDynamics, nudged: Sequence[Tensor]
    ) -> list[Routings]:
        """The max poolings' choices at the free state and at the end of each nudged phase."""
        batch, together = len(equilibrium.state[0]), dynamics.routings(nudged)
        parts = [
            {k: tuple(c[n * batch : (n + 1) * batch] for c in r) for k, r in together.items()}
            for n in range(len(self.nudges))
        ]
        free: Routings = {}
        if len(self.nudges) < len(self.phases):
            free = equilibrium.routings or equilibrium.bound.routings(equilibrium.state)
        return [free, *parts]


def nudged_phases(
    equilibrium: Equilibrium, cost: Cost, betas: Sequence[float]
) -> dict[float, Solution]:
    """Relax from the free state under ``-beta dC/ds``, for all ``betas`` in one batch."""
    with torch.no_grad():
        dynamics, start = nudged_dynamics(equilibrium, cost, betas)
        solution = relax(dynamics, start, equilibrium.nudged)
    batch = len(equilibrium.state[0])
    return {beta: _part(solution, k, batch) for k, beta in enumerate(betas)}


def nudged_dynamics(
    equilibrium: Equilibrium, cost: Cost, betas: Sequence[float]
) -> tuple[EnergyDynamics, list[Tensor]]:
    """The dynamics under ``-beta dC/ds`` and the free state, once for each of ``betas``.

    All are in one batch: sample n under the k-th beta is row ``k * B + n``.
    """
    copies, batch = len(betas), len(equilibrium.state[0])
    like = equilibrium.state[0]
    strengths = torch.cat([like.new_full((batch,), beta) for beta in betas])
    force: Force = Nudge(cost.stacked(copies), strengths)
    if equilibrium.force is not None:
        force = Forces((equilibrium.force.select(_copied(batch, copies, like)), force))
    dynamics = equilibrium.bound.repeated(copies).dynamics(
        force,
        _repeat(equilibrium.routings, copies),
        freeze_after=equilibrium.nudged.freeze_after,
    )
    return dynamics, [torch.cat([s] * copies) for s in equilibrium.state]


def _copied(batch: int, copies: int, like: Tensor) -> Tensor:
    """The rows of a batch, ``copies`` times over: all phases feel the same."""
    return torch.arange(batch, device=like.device).repeat(copies)


class Forces:
    """The sum of several forces."""

    def __init__(self, parts: Sequence[Force]) -> None:
        self._parts = tuple(parts)

    def on(self, layer: int, state: Sequence[Tensor]) -> Tensor | None:
        felt = [f for part in self._parts if (f := part.on(layer, state)) is not None]
        return sum(felt[1:], start=felt[0]) if felt else None

    def select(self, rows: Tensor) -> Forces:
        return Forces([part.select(rows) for part in self._parts])


class Nudge:
    """``-beta dC/ds`` on the output layers; ``strengths`` holds beta per sample."""

    def __init__(self, cost: Cost, strengths: Tensor) -> None:
        self._cost, self._strengths = cost, strengths
        self._rows: Tensor | None = None
        self._constant = (
            {i: self._weaken(c) for i, c in cost.cotangents.items()}
            if isinstance(cost, LinearCost)
            else None
        )

    def on(self, layer: int, state: Sequence[Tensor]) -> Tensor | None:
        if self._constant is not None:
            return self._constant.get(layer)
        if layer not in self._cost.layers():
            return None
        gradient = self._cost.gradient(self._whole(state))[layer]
        force = self._weaken(gradient)
        return force if self._rows is None else force[self._rows]

    def select(self, rows: Tensor) -> Nudge:
        part = copy.copy(self)
        if self._constant is not None:
            part._constant = {i: take_rows(c, rows) for i, c in self._constant.items()}
        part._rows = rows if self._rows is None else self._rows[rows]
        return part

    def _whole(self, state: Sequence[Tensor]) -> list[Tensor]:
        """``state`` scattered back to the full batch; other rows are zero and unused."""
        if self._rows is None:
            return list(state)
        batch = len(self._strengths)
        return [s.new_zeros(batch, *s.shape[1:]).index_copy_(0, self._rows, s) for s in state]

    def _weaken(self, gradient: Tensor) -> Tensor:
        return -per_sample(self._strengths, gradient) * gradient


def _repeat(routings: Routings | None, copies: int) -> Routings | None:
    if routings is None:
        return None
    return {
        index: tuple(torch.cat([choice] * copies) for choice in routing)
        for index, routing in routings.items()
    }


def _part(solution: Solution, index: int, batch: int) -> Solution:
    rows = slice(index * batch, (index + 1) * batch)
    return Solution(
        [s[rows] for s in solution.state],
        solution.residual[rows],
        solution.sweeps[rows],
        solution.status[rows],
    )


def _parts(states: Sequence[Tensor], batch: int) -> list[list[Tensor]]:
    """The states of each phase, of a batch of all."""
    return [list(part) for part in zip(*(s.split(batch) for s in states), strict=True)]
