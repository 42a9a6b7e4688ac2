"""Equilibrium propagation's phases: nudged relaxations, and what they contrast to.

(Scellier & Bengio 2017; centered: Laborieux et al. 2021.) See
:class:`~ffebm_dsl.physics.interfaces.estimator.ContrastiveEstimator`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple, overload

import torch
from torch import Tensor

from ffebm_dsl.physics.energy.complex_states import PairedDynamics, paired, unpaired
from ffebm_dsl.physics.gradients.cost import LinearCost
from ffebm_dsl.physics.interfaces import (
    BoundEnergy,
    ContrastiveEstimator,
    Cost,
    EnergyDynamics,
    Equilibrium,
    Force,
    GradientEstimate,
    Phase,
    Routings,
    Solution,
    difference,
    noisy_dynamics,
    per_sample,
    together,
)
from ffebm_dsl.physics.layout import take_rows
from ffebm_dsl.physics.relaxation import relax


class PhaseEnd(NamedTuple):
    """Where a phase ended: its state, complex where its strength is, and its routings.

    Routings that the phase froze belong to the energy that was relaxed, and so to its
    derivative.
    """

    state: list[Tensor]
    routings: Routings


def estimate(
    estimator: ContrastiveEstimator, equilibrium: Equilibrium, cost: Cost, weights: Tensor
) -> GradientEstimate:
    """Relax the nudged phases, and contrast all."""
    nudges, transposed = estimator.nudges, estimator.transposed
    batch, ends, solutions = len(weights), list[PhaseEnd](), list[Solution]()
    with torch.no_grad():
        # Complex numbers cost twice as much: phases that need none are relaxed without.
        for kind, group in groupby(nudges, lambda beta: isinstance(beta, complex)):
            dynamics, start = nudged_dynamics(
                equilibrium, cost, betas := list(group), transposed=transposed
            )
            nudged = relax(dynamics, start, equilibrium.nudged)
            ends += phase_ends(dynamics, nudged.state, batch)
            found = [_part(nudged, k, batch) for k in range(len(betas))]
            solutions += [
                replace(s, state=[unpaired(x) for x in s.state]) if kind else s for s in found
            ]
        return contrast(estimator, equilibrium, cost, weights, ends)._replace(
            solutions={"nudged": solutions}
        )


def contrast(
    estimator: ContrastiveEstimator,
    equilibrium: Equilibrium,
    cost: Cost,
    weights: Tensor,
    nudged: Sequence[PhaseEnd],
) -> GradientEstimate:
    """The estimate from the ends of the nudged phases, in order."""
    phases, ends, bound = estimator.phases, list(nudged), equilibrium.bound
    place = next((k for k, phase in enumerate(phases) if phase.beta == 0), None)
    if place is not None:
        free = equilibrium.routings or bound.routings(equilibrium.state)
        ends.insert(place, PhaseEnd(list(equilibrium.state), free))
    if equilibrium.read is not None:
        ends = _read(ends, equilibrium.read, len(weights))
    if estimator.transposed or bound.layer_weights is None:
        return _from_response(phases, equilibrium, cost, weights, [e.state for e in ends])
    # dF/dtheta = -dphi/dtheta.
    unit = _unit(bound, cost)
    scales = [weights * (-phase.weight / unit) for phase in phases]
    if any(isinstance(phase.beta, complex) for phase in phases):
        bound = bound.complex()
    found = bound.contrast([e.state for e in ends], scales, [e.routings for e in ends])
    # The cost enters F as beta C; one with parameters is not for complex states.
    cost_parameters = []
    if cost.parameters():
        stacked = [torch.cat(layer) for layer in zip(*(e.state for e in ends), strict=True)]
        shares = torch.cat([weights * (phase.beta * phase.weight) for phase in phases])
        cost_parameters = cost.stacked(len(phases)).parameter_gradient(stacked, shares)
    return GradientEstimate(found.weights, found.drives, cost_parameters)


def _read(
    ends: Sequence[PhaseEnd], read: Callable[[int, Tensor], Tensor], batch: int
) -> list[PhaseEnd]:
    """The ends as they are read for the update of weights; all together, so that whatever reads
    them is the same for each."""
    layers = zip(*(end.state for end in ends), strict=True)
    seen = [read(i, torch.cat(layer)).split(batch) for i, layer in enumerate(layers)]
    states = zip(*seen, strict=True)
    return [PhaseEnd(list(s), end.routings) for s, end in zip(states, ends, strict=True)]


def _from_response(
    phases: Sequence[Phase],
    equilibrium: Equilibrium,
    cost: Cost,
    weights: Tensor,
    states: Sequence[Sequence[Tensor]],
) -> GradientEstimate:
    """``<response, dv/dtheta>`` at the free state, the response being what phases contrast to."""
    bound, free = equilibrium.bound, equilibrium.state
    scales = [torch.ones_like(weights) * -phase.weight for phase in phases]
    response = [difference(layer, scales) for layer in zip(*states, strict=True)]
    # The free state is real, so the real part of the response is all that counts.
    response = [w.real if w.is_complex() else w for w in response]
    routings = equilibrium.routings or bound.routings(free)
    found = bound.response_gradient(free, response, weights, routings)
    cost_parameters = cost.parameter_gradient(free, weights)
    return GradientEstimate(found.weights, found.drives, cost_parameters)


def _unit(bound: BoundEnergy, cost: Cost) -> float:
    """The strength of the cost in the energy for a beta of 1: the least weight of its layers."""
    layer_weights = bound.layer_weights
    return 1.0 if layer_weights is None else min(layer_weights[i] for i in cost.layers())


def nudged_phases(
    equilibrium: Equilibrium, cost: Cost, betas: Sequence[float], *, transposed: bool = False
) -> dict[float, Solution]:
    """Relax from the free state under ``-beta dC/ds``, for all ``betas`` in one batch."""
    with torch.no_grad():
        dynamics, start = nudged_dynamics(equilibrium, cost, betas, transposed=transposed)
        solution = relax(dynamics, start, equilibrium.nudged)
    batch = len(equilibrium.state[0])
    return {beta: _part(solution, k, batch) for k, beta in enumerate(betas)}


def nudged_dynamics(
    equilibrium: Equilibrium, cost: Cost, betas: Sequence[complex], *, transposed: bool = False
) -> tuple[EnergyDynamics, list[Tensor]]:
    """The dynamics under ``-beta dC/ds`` and the free state, once for each of ``betas``.

    All are in one batch: sample n under the k-th beta is row ``k * B + n``. Where a beta is
    complex, all states are, as pairs of their real and imaginary parts (:func:`paired`).
    ``transposed`` as in :class:`~ffebm_dsl.physics.interfaces.estimator.ContrastiveEstimator`.

    Raises:
        ValueError: a complex beta in an energy that is not holomorphic, or with the loss itself
            as cost.
    """
    copies, batch = len(betas), len(equilibrium.state[0])
    like, bound = equilibrium.state[0], equilibrium.bound
    is_complex = any(isinstance(beta, complex) for beta in betas)
    if is_complex:
        bound, like = bound.complex(), like.new_empty(0, dtype=like.dtype.to_complex())
        if not isinstance(cost, LinearCost):
            raise ValueError("nudging by the loss is for real phases: nudge by the cotangent")
    strengths = torch.cat([like.new_full((batch,), beta) for beta in betas])
    given = equilibrium.force
    force = together(
        None if given is None else given.select(_copied(batch, copies, like)),
        Nudge(cost.stacked(copies), strengths, {} if transposed else _shares(bound, cost)),
    )
    start = [torch.cat([s] * copies) for s in equilibrium.state]
    if is_complex:
        start = [s.to(like.dtype) for s in start]
    routings, repeated = equilibrium.routings, bound.repeated(copies)
    nudged = equilibrium.nudged

    def make(force: Force | None) -> EnergyDynamics:
        if transposed:
            kept = routings or equilibrium.bound.routings(equilibrium.state)
            return repeated.displaced(start, force, _repeat(kept, copies))
        freeze_after = nudged.freeze_after
        return repeated.dynamics(force, _repeat(routings, copies), freeze_after=freeze_after)

    # A word of its own: what real and complex phases draw must not be the same.
    phase = "complex" if is_complex else "nudged"
    dynamics = noisy_dynamics(make, force, nudged.noise, equilibrium.draws, phase, copies)
    if is_complex:
        return PairedDynamics(dynamics), [paired(s) for s in start]
    return dynamics, start


def _shares(bound: BoundEnergy, cost: Cost) -> dict[int, float]:
    """What a layer of the cost feels of a nudge, where that is not all of it."""
    layer_weights, unit = bound.layer_weights, _unit(bound, cost)
    if layer_weights is None:
        return {}
    return {i: unit / w for i in cost.layers() if (w := layer_weights[i]) != unit}


def phase_ends(dynamics: EnergyDynamics, states: Sequence[Tensor], batch: int) -> list[PhaseEnd]:
    """The ends of the phases that are in one batch of ``states``, relaxed by ``dynamics``."""
    routings = _routings(dynamics, states, batch)
    if isinstance(dynamics, PairedDynamics):
        states = [unpaired(s) for s in states]
    return list(map(PhaseEnd, _parts(states, batch), routings))


def _copied(batch: int, copies: int, like: Tensor) -> Tensor:
    """The rows of a batch, ``copies`` times over: all phases feel the same."""
    return torch.arange(batch, device=like.device).repeat(copies)


class Nudge:
    """``-beta dC/ds`` on the output layers; ``strengths`` holds beta per sample.

    ``shares`` is the part of beta that a layer feels, where that is not all of it.
    """

    def __init__(
        self,
        cost: Cost,
        strengths: Tensor,
        shares: Mapping[int, float] = MappingProxyType({}),
    ) -> None:
        self._cost, self._strengths, self._shares = cost, strengths, shares
        self._rows: Tensor | None = None
        self._constant = (
            {i: self._weaken(i, c) for i, c in cost.cotangents.items()}
            if isinstance(cost, LinearCost)
            else None
        )

    def on(self, layer: int, state: Sequence[Tensor]) -> Tensor | None:
        if self._constant is not None:
            return self._constant.get(layer)
        if layer not in self._cost.layers():
            return None
        gradient = self._cost.gradient(self._whole(state))[layer]
        force = self._weaken(layer, gradient)
        return force if self._rows is None else force[self._rows]

    def select(self, rows: Tensor) -> Nudge:
        part = copy.copy(self)
        if self._constant is not None:
            part._constant = {i: take_rows(c, rows) for i, c in self._constant.items()}
        part._rows = rows if self._rows is None else self._rows[rows]
        return part

    def curvature(self, layer: int) -> Tensor | None:
        second = self._cost.curvature(layer)
        if not second:
            return None
        strengths = self._strengths if self._rows is None else self._strengths[self._rows]
        return second * self._shares.get(layer, 1.0) * strengths

    def _whole(self, state: Sequence[Tensor]) -> list[Tensor]:
        """``state`` scattered back to the full batch; other rows are zero and unused."""
        if self._rows is None:
            return list(state)
        batch = len(self._strengths)
        return [s.new_zeros(batch, *s.shape[1:]).index_copy_(0, self._rows, s) for s in state]

    def _weaken(self, layer: int, gradient: Tensor) -> Tensor:
        strengths = self._strengths
        if layer in self._shares:
            strengths = strengths * self._shares[layer]
        return -per_sample(strengths, gradient) * gradient


@overload
def _repeat(routings: Routings, copies: int) -> Routings: ...
@overload
def _repeat(routings: Routings | None, copies: int) -> Routings | None: ...
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


def _routings(dynamics: EnergyDynamics, nudged: Sequence[Tensor], batch: int) -> list[Routings]:
    """The max poolings' choices at the end of each nudged phase."""
    together = dynamics.routings(nudged)
    return [
        {k: tuple(c[n * batch : (n + 1) * batch] for c in r) for k, r in together.items()}
        for n in range(len(nudged[0]) // batch)
    ]
