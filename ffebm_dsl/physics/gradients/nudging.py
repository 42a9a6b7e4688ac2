"""The dynamics of nudged phases, and of phases with clamped outputs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import overload

import torch
from torch import Tensor

from ffebm_dsl.physics.energy.complex_states import PairedDynamics, paired
from ffebm_dsl.physics.gradients.state_cost import LinearCost
from ffebm_dsl.physics.interfaces import (
    BoundEnergy,
    ContrastiveEstimator,
    Cost,
    EnergyDynamics,
    Equilibrium,
    Force,
    Routings,
    WrappedDynamics,
    noisy_dynamics,
    per_sample,
    together,
)
from ffebm_dsl.physics.layout import take_rows


def phase_dynamics(
    estimator: ContrastiveEstimator,
    equilibrium: Equilibrium,
    cost: Cost,
    betas: Sequence[complex],
) -> tuple[EnergyDynamics, list[Tensor]]:
    """The dynamics of an estimator's phases at ``betas``, and their initial states.

    All are in one batch, as in :func:`nudged_dynamics`.
    """
    if estimator.clamped:
        return clamped_dynamics(equilibrium, cost, betas)
    return nudged_dynamics(equilibrium, cost, betas, transposed=estimator.transposed)


def nudged_dynamics(
    equilibrium: Equilibrium, cost: Cost, betas: Sequence[complex], *, transposed: bool = False
) -> tuple[EnergyDynamics, list[Tensor]]:
    """The dynamics under ``-beta dC/ds``, for each of ``betas``, from the free state.

    All are in one batch: sample n under the k-th beta is row ``k * B + n``. Where a beta is
    complex, all states are, as pairs of their real and imaginary parts (:func:`paired`).
    ``transposed`` as in :class:`~ffebm_dsl.physics.interfaces.estimator.ContrastiveEstimator`.

    Raises:
        ValueError: a complex beta and an energy that is not holomorphic, or the loss as cost.
    """
    copies, batch = len(betas), len(equilibrium.state[0])
    like, bound = equilibrium.state[0], equilibrium.bound
    is_complex = any(isinstance(beta, complex) for beta in betas)
    if is_complex:
        bound, like = bound.complex(), like.new_empty(0, dtype=like.dtype.to_complex())
        if not isinstance(cost, LinearCost):
            raise ValueError("nudging by the loss is for real phases: nudge by the cotangent")
    strengths = torch.cat([like.new_full((batch,), beta) for beta in betas])
    force = together(
        _given(equilibrium, copies),
        Nudge(cost.stacked(copies), strengths, {} if transposed else shares(bound, cost)),
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


def clamped_dynamics(
    equilibrium: Equilibrium, cost: Cost, betas: Sequence[complex]
) -> tuple[EnergyDynamics, list[Tensor]]:
    """The free dynamics with the cost's layers held at ``s - beta dC/ds``, for each of ``betas``.

    All are in one batch, as in :func:`nudged_dynamics`.
    """
    copies, bound, nudged = len(betas), equilibrium.bound, equilibrium.nudged
    start = [torch.cat([s] * copies) for s in equilibrium.state]
    like = equilibrium.state[0]
    strengths = torch.cat([like.new_full((len(like),), beta) for beta in betas])
    nudge = Nudge(cost.stacked(copies), strengths)
    moved = {i: nudge.on(i, start) for i in cost.layers()}
    held = {i: start[i] + by for i, by in moved.items() if by is not None}

    def make(force: Force | None) -> EnergyDynamics:
        routings = _repeat(equilibrium.routings, copies)
        return bound.repeated(copies).dynamics(force, routings, freeze_after=nudged.freeze_after)

    force = _given(equilibrium, copies)
    dynamics = noisy_dynamics(make, force, nudged.noise, equilibrium.draws, "nudged", copies)
    return _Clamped(dynamics, frozenset(held)), [held.get(i, s) for i, s in enumerate(start)]


@dataclass(frozen=True)
class _Clamped(WrappedDynamics):
    """The dynamics with some layers held where they are."""

    held: frozenset[int]

    def update(self, state: Sequence[Tensor], layer: int) -> Tensor:
        return state[layer] if layer in self.held else self.inner.update(state, layer)

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        """Project ``s``, unless the layer is held, where it may be out of range."""
        return s if layer in self.held else self.inner.admissible(layer, s)


def unit(bound: BoundEnergy, cost: Cost) -> float:
    """The strength of the cost in the energy at beta = 1: of the weights of its layers, the least
    by modulus."""
    layer_weights = bound.layer_weights
    return 1.0 if layer_weights is None else min((layer_weights[i] for i in cost.layers()), key=abs)


def shares(bound: BoundEnergy, cost: Cost) -> dict[int, float]:
    """The part of a nudge that a layer of the cost feels, where it is not all of it."""
    layer_weights, least = bound.layer_weights, unit(bound, cost)
    if layer_weights is None:
        return {}
    return {i: least / w for i in cost.layers() if (w := layer_weights[i]) != least}


def _given(equilibrium: Equilibrium, copies: int) -> Force | None:
    """The force that acts in every phase, on ``copies`` of the batch."""
    if equilibrium.force is None:
        return None
    rows = torch.arange(len(equilibrium.state[0]), device=equilibrium.state[0].device)
    return equilibrium.force.select(rows.repeat(copies))


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

    def onto(self, v: Tensor, layer: int, state: Sequence[Tensor], *, overwrite: bool) -> Tensor:
        felt = self.on(layer, state)
        if felt is None:
            return v
        return v.add_(felt) if overwrite else v + felt

    def on(self, layer: int, state: Sequence[Tensor]) -> Tensor | None:
        """The nudge of that layer at ``state``, (B, *layer shape); None where there is none."""
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
