"""The update rules that a relaxation iterates: of the states, and of their adjoint.

Both are Gauss-Seidel-able maps layer by layer (``ffebm_dsl.relaxation.Dynamics``):
given the current states, ``update(state, i)`` is the new state of layer ``i``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ffebm_dsl.energy.coupling import Routing
from ffebm_dsl.energy.hopfield import HopfieldEnergy, Routings, State


class Force(Protocol):
    """What a nudged phase adds to the pre-activation of the output layers."""

    def on(self, layer: int, state: State) -> Tensor | None:
        """``-beta dC/ds`` of that layer at ``state``, (B, *layer shape); None where absent."""


class HopfieldDynamics:
    """``s_i <- sigma_i(d phi / d s_i + force_i)``, drives held fixed.

    Each coupling costs one forward and one adjoint per sweep: a forward's result and
    routing are kept until its source layer moves. With ``routings`` given the max
    poolings are frozen from the start.
    """

    def __init__(
        self,
        energy: HopfieldEnergy,
        drives: Sequence[Tensor],
        force: Force | None = None,
        routings: Routings | None = None,
    ) -> None:
        self.energy = energy
        self.force = force
        self.routings = routings
        self._drive: dict[int, Tensor] = {}
        for u, i in zip(drives, energy.driven, strict=True):
            self._drive[i] = self._drive[i] + u if i in self._drive else u
        self._couplings = list(energy.couplings)
        self._forwards: dict[int, tuple[Tensor, Routing]] = {}

    def update(self, state: State, layer: int) -> Tensor:
        v = self.pre_activation(state, layer)
        return self.energy.layers[layer].activation(v)

    def pre_activation(self, state: State, layer: int) -> Tensor:
        """``d phi / d s_layer`` plus the force, (B, *layer shape)."""
        terms = [self._drive[layer]] if layer in self._drive else []
        for index, coupling in enumerate(self._couplings):
            if coupling.target == layer:
                terms.append(self._forward(state, index)[0])
            if coupling.source == layer:
                routing = self._forward(state, index)[1] if coupling.routed else ()
                terms.append(coupling.adjoint(state[coupling.target], routing))
        if self.force is not None:
            force = self.force.on(layer, state)
            terms += [] if force is None else [force]
        return _sum(terms, state[layer])

    def moved(self, layer: int) -> None:
        """Forget what was computed from the old state of ``layer``."""
        for index, coupling in enumerate(self._couplings):
            if coupling.source == layer:
                self._forwards.pop(index, None)

    def freeze_routing(self, state: State) -> None:
        """From now on keep the max poolings' choices at ``state``."""
        if self.routings is None:
            self.routings = self.energy.routings(state)
            self._forwards.clear()

    def _forward(self, state: State, index: int) -> tuple[Tensor, Routing]:
        if index not in self._forwards:
            coupling = self._couplings[index]
            a = state[coupling.source]
            if self.routings is not None and coupling.routed:
                routing = self.routings[index]
                self._forwards[index] = (coupling.along(a, routing), routing)
            else:
                self._forwards[index] = coupling(a)
        return self._forwards[index]


class AdjointDynamics:
    """``w_i <- D_i (c_i + (H w)_i)``: the dynamics linearised at an equilibrium.

    ``D`` is sigma' at the equilibrium's pre-activations, ``H`` the Hessian of phi there and
    ``c`` the cotangent. Its fixed point ``w = D (I - H D)^-1 c`` is the response of the
    equilibrium to a nudge, and exists and attracts exactly where the free phase does.
    """

    def __init__(
        self,
        energy: HopfieldEnergy,
        state: State,
        drives: Sequence[Tensor],
        cotangent: Sequence[Tensor | None],
        routings: Routings,
    ) -> None:
        dynamics = HopfieldDynamics(energy, drives, routings=routings)
        self.energy, self.cotangent, self.routings = energy, cotangent, routings
        self.derivative = [
            layer.activation.derivative(dynamics.pre_activation(state, i))
            for i, layer in enumerate(energy.layers)
        ]

    def update(self, state: State, layer: int) -> Tensor:
        c = self.cotangent[layer]
        terms = [] if c is None else [c]
        for index, coupling in enumerate(self.energy.couplings):
            routing = self.routings.get(index, ())
            if coupling.target == layer:
                terms.append(coupling.tangent(state[coupling.source], routing))
            if coupling.source == layer:
                terms.append(coupling.adjoint(state[coupling.target], routing))
        return self.derivative[layer] * _sum(terms, state[layer])

    def moved(self, layer: int) -> None:
        """Nothing is kept between updates."""

    def freeze_routing(self, state: State) -> None:
        """The routing is frozen already."""


def _sum(terms: list[Tensor], like: Tensor) -> Tensor:
    if not terms:
        return torch.zeros_like(like)
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
