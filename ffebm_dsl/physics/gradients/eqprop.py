"""Equilibrium propagation (Scellier & Bengio 2017; centered: Laborieux et al. 2021).

With the total energy ``F = E + beta C``, relaxed to ``s(beta)`` from the free state, the
gradient of ``C(s*)`` for a parameter or a drive is::

    (dF/dtheta at (beta_1, s(beta_1))  -  dF/dtheta at (beta_2, s(beta_2))) / (beta_1 - beta_2)

with (beta_1, beta_2) = (beta, -beta) centered, (beta, 0) positive, (0, -beta) negative.
``dF/dtheta`` is the explicit derivative at a fixed state, so no phase needs a graph.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ffebm_dsl.physics.energy import HopfieldDynamics, Routings
from ffebm_dsl.physics.energy.kernels import take_rows
from ffebm_dsl.physics.gradients.estimator import (
    Cost,
    Equilibrium,
    Estimator,
    GradientEstimate,
    LinearCost,
    per_sample,
)
from ffebm_dsl.physics.relaxation import Solution, relax

VARIANTS = ("centered", "positive", "negative")


@dataclass(frozen=True)
class EquilibriumPropagation(Estimator):
    """EP with nudging strength ``beta`` > 0 in one of ``VARIANTS``.

    The cost of both nudged phases of ``centered`` is one relaxation of a doubled batch.

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
    def betas(self) -> tuple[float, float]:
        """(beta_1, beta_2)."""
        first = 0.0 if self.variant == "negative" else self.beta
        second = 0.0 if self.variant == "positive" else -self.beta
        return first, second

    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        nudges, batch = [beta for beta in self.betas if beta != 0], len(weights)
        dynamics, start = nudged_dynamics(equilibrium, cost, nudges)
        with torch.no_grad():
            nudged = relax(dynamics, start, equilibrium.nudged)
        solutions = [_part(nudged, k, batch) for k in range(len(nudges))]
        by_beta = {0.0: equilibrium.state} | {
            beta: solution.state for beta, solution in zip(nudges, solutions, strict=True)
        }
        first, second = (by_beta[beta] for beta in self.betas)
        routings = self.routings(equilibrium, dynamics.routings_at(nudged.state))
        return self.contrast(equilibrium, cost, weights, first, second, solutions, routings)

    @torch.no_grad()
    def routings(self, equilibrium: Equilibrium, nudged: Routings) -> Routings:
        """The max poolings' choices at ``s(beta_1)`` and ``s(beta_2)``, along the batch.

        ``nudged`` are those of the nudged phases: frozen ones belong to the energy that was
        relaxed, and so to its derivative.
        """
        if 0.0 not in self.betas:
            return nudged
        free = equilibrium.routings or equilibrium.energy.routings(equilibrium.state)
        pair = (free, nudged) if self.betas[0] == 0 else (nudged, free)
        return {
            index: tuple(
                torch.cat(choices) for choices in zip(*(r[index] for r in pair), strict=True)
            )
            for index in nudged
        }

    def contrast(
        self,
        equilibrium: Equilibrium,
        cost: Cost,
        weights: Tensor,
        first: Sequence[Tensor],
        second: Sequence[Tensor],
        solutions: list[Solution],
        routings: Routings,
    ) -> GradientEstimate:
        """The estimate from the states ``s(beta_1)`` and ``s(beta_2)`` and their routings."""
        energy, (beta_1, beta_2) = equilibrium.energy, self.betas
        scale = weights / (beta_1 - beta_2)
        stacked = [torch.cat(pair) for pair in zip(first, second, strict=True)]
        # dF/dtheta = -dphi/dtheta, hence the minus on the first phase.
        signs = torch.cat([-scale, scale])
        parameters = energy.phi_gradient(stacked, signs, routings)
        drives = [(second[i] - first[i]).mul_(per_sample(scale, first[i])) for i in energy.driven]
        # C stands in F as beta C: beta_1 C(s_1) - beta_2 C(s_2), over beta_1 - beta_2.
        cost_weights = torch.cat([beta_1 * scale, -beta_2 * scale])
        cost_parameters = cost.stacked(2).parameter_gradient(stacked, cost_weights)
        return GradientEstimate(parameters, drives, cost_parameters, {"nudged": solutions})


def nudged_phases(
    equilibrium: Equilibrium, cost: Cost, betas: Sequence[float]
) -> dict[float, Solution]:
    """Relax from the free state under ``-beta dC/ds``, for all ``betas`` in one batch."""
    dynamics, start = nudged_dynamics(equilibrium, cost, betas)
    with torch.no_grad():
        solution = relax(dynamics, start, equilibrium.nudged)
    batch = len(equilibrium.state[0])
    return {beta: _part(solution, k, batch) for k, beta in enumerate(betas)}


def nudged_dynamics(
    equilibrium: Equilibrium, cost: Cost, betas: Sequence[float]
) -> tuple[HopfieldDynamics, list[Tensor]]:
    """The dynamics under ``-beta dC/ds`` and the free state, once for each of ``betas``.

    All stand in one batch: sample n under the k-th beta is row ``k * B + n``.
    """
    copies, batch = len(betas), len(equilibrium.state[0])
    like = equilibrium.state[0]
    strengths = torch.cat([like.new_full((batch,), beta) for beta in betas])
    dynamics = HopfieldDynamics(
        equilibrium.energy,
        [torch.cat([u] * copies) for u in equilibrium.drives],
        _Nudge(cost.stacked(copies), strengths),
        _repeat(equilibrium.routings, copies),
        prepared=equilibrium.prepared,
    )
    return dynamics, [torch.cat([s] * copies) for s in equilibrium.state]


class _Nudge:
    """``-beta dC/ds`` on the output layers; ``strengths`` holds beta per sample.

    ``rows`` are the samples it is asked for, of the batch that the cost knows; None: all.
    """

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

    def select(self, rows: Tensor) -> _Nudge:
        part = copy.copy(self)
        if self._constant is not None:
            part._constant = {i: take_rows(c, rows) for i, c in self._constant.items()}
        part._rows = rows if self._rows is None else self._rows[rows]
        return part

    def _whole(self, state: Sequence[Tensor]) -> list[Tensor]:
        """The state in the batch that the cost knows, zero where nobody will look."""
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
