"""The update rules that a relaxation iterates: of the states, and of their adjoint.

Both are Gauss-Seidel-able maps layer by layer (``ffebm_dsl.physics.relaxation.Dynamics``):
given the current states, ``update(state, i)`` is the new state of layer ``i``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ffebm_dsl.physics.energy.coupling import Coupling, PreparedCoupling, Routing
from ffebm_dsl.physics.energy.hopfield import HopfieldEnergy, Routings, State
from ffebm_dsl.physics.energy.kernels import channels_last, take_rows


class Force(Protocol):
    """What a nudged phase adds to the pre-activation of the output layers."""

    def on(self, layer: int, state: State) -> Tensor | None:
        """``-beta dC/ds`` of that layer at ``state``, (B, *layer shape); None where absent."""

    def select(self, rows: Tensor) -> Force:
        """The force on these samples alone."""


class HopfieldDynamics:
    """``s_i <- sigma_i(d phi / d s_i + force_i)``, drives held fixed.

    Each coupling costs one forward and one adjoint per sweep: a forward's result and
    routing are kept until its source layer moves.

    Args:
        energy: the block's energy.
        drives: as the energy's, (B, *layer shape) each.
        force: what nudges it, if anything.
        routings: choices of the max poolings to hold from the start.
        graph: record what is computed for autograd. Without, no gradient is enabled,
            weights are packed and buffers reused.
        resting: the state to come is zero, and nothing need be computed from it.
        prepared: the energy's couplings, if they were prepared before at these weights.
    """

    def __init__(
        self,
        energy: HopfieldEnergy,
        drives: Sequence[Tensor],
        force: Force | None = None,
        routings: Routings | None = None,
        *,
        graph: bool = False,
        resting: bool = False,
        prepared: Sequence[PreparedCoupling] | None = None,
    ) -> None:
        self.energy = energy
        self.force = force
        self.routings = routings
        self._graph = graph
        self._resting = set(range(len(energy.layers))) if resting else set()
        self._drive: dict[int, Tensor] = {}
        for u, i in zip(drives, energy.driven, strict=True):
            u = u if graph else channels_last(u)
            self._drive[i] = self._drive[i] + u if i in self._drive else u
        if graph:
            self._couplings: Sequence[Coupling | PreparedCoupling] = list(energy.couplings)
        else:
            self._couplings = prepared or energy.prepared(len(drives[0]) if drives else 1)
        self._forwards: dict[int, tuple[Tensor, Routing]] = {}

    @property
    def prepared(self) -> list[PreparedCoupling]:
        """The couplings ready for another phase at the same weights; none with a graph."""
        return [c.reused() for c in self._couplings if isinstance(c, PreparedCoupling)]

    def update(self, state: State, layer: int) -> Tensor:
        activation = self.energy.layers[layer].activation
        with self._grad_mode():
            v, own = self._pre_activation(state, layer)
            return activation.overwrite(v) if own and not self._graph else activation(v)

    def pre_activation(self, state: State, layer: int) -> Tensor:
        """``d phi / d s_layer`` plus the force, (B, *layer shape)."""
        with self._grad_mode():
            return self._pre_activation(state, layer)[0]

    def moved(self, layer: int) -> None:
        """Forget what was computed from the old state of ``layer``."""
        self._resting.discard(layer)
        for index, coupling in enumerate(self._couplings):
            if coupling.source == layer:
                self._forwards.pop(index, None)

    @property
    def choosing(self) -> bool:
        """Whether max poolings choose anew whenever a state moves."""
        return self.routings is None and any(c.routed for c in self._couplings)

    def freeze_routing(self, state: State) -> None:
        """From now on keep the max poolings' choices at ``state``."""
        if self.routings is None:
            self.routings = self.routings_at(state)
            self._forwards.clear()

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        """``s``, overwritten by the nearest state that the layer can take."""
        low, high = self.energy.layers[layer].activation.range
        return s if low == -math.inf and high == math.inf else s.clamp_(low, high)

    def routings_at(self, state: State) -> Routings:
        """The choices of every max pooling at ``state``, or the ones that are held."""
        if self.routings is not None:
            return self.routings
        routed = [index for index, c in enumerate(self._couplings) if c.routed]
        with self._grad_mode():
            return {index: self._forward(state, index)[1] for index in routed}

    def select(self, rows: Tensor) -> HopfieldDynamics:
        """The dynamics of these samples alone, where the present ones stand."""
        part = copy.copy(self)
        part.force = None if self.force is None else self.force.select(rows)
        part.routings = (
            None
            if self.routings is None
            else {index: _rows_of(routing, rows) for index, routing in self.routings.items()}
        )
        part._resting = set(self._resting)
        part._couplings = [
            c.reused() if isinstance(c, PreparedCoupling) else c for c in self._couplings
        ]
        part._drive = {i: take_rows(u, rows) for i, u in self._drive.items()}
        part._forwards = {
            index: (take_rows(value, rows), _rows_of(routing, rows))
            for index, (value, routing) in self._forwards.items()
        }
        return part

    def _grad_mode(self) -> torch.set_grad_enabled:
        return torch.set_grad_enabled(self._graph and torch.is_grad_enabled())

    def _pre_activation(self, state: State, layer: int) -> tuple[Tensor, bool]:
        """The pre-activation, and whether nothing else uses its memory."""
        total = _Sum(in_place=not self._graph)
        if layer in self._drive:
            total.add(self._drive[layer])
        for index, coupling in enumerate(self._couplings):
            if coupling.target == layer:
                total.add(self._forward(state, index)[0])
            if coupling.source == layer and coupling.target not in self._resting:
                routing = self._forward(state, index)[1] if coupling.routed else ()
                total.add_adjoint(coupling, state[coupling.target], routing)
        force = None if self.force is None else self.force.on(layer, state)
        if force is not None:
            total.add(force)
        return total.value(state[layer])

    def _forward(self, state: State, index: int) -> tuple[Tensor, Routing]:
        if index not in self._forwards:
            coupling = self._couplings[index]
            a = state[coupling.source]
            if self.routings is not None and coupling.routed:
                routing = self.routings[index]
                self._forwards[index] = (coupling.along(a, routing), routing)
            elif coupling.source in self._resting:
                value, routing = self._couplings[index].forward(a[:1])
                self._forwards[index] = (
                    _repeated(value, len(a)),
                    tuple(_repeated(choice, len(a)) for choice in routing),
                )
            else:
                self._forwards[index] = coupling.forward(a)
        return self._forwards[index]


class AdjointDynamics:
    """``w_i <- D_i (c_i + (H w)_i)``: the dynamics linearised at an equilibrium.

    ``D`` is sigma' at the equilibrium's pre-activations, ``H`` the Hessian of phi there and
    ``c`` the cotangent. Its fixed point ``w = D (I - H D)^-1 c`` is the response of the
    equilibrium to a nudge, and exists and attracts exactly where the free phase does. It is
    to be started at zero, and without gradients enabled.
    """

    def __init__(
        self,
        energy: HopfieldEnergy,
        state: State,
        drives: Sequence[Tensor],
        cotangent: Sequence[Tensor | None],
        routings: Routings,
        prepared: Sequence[PreparedCoupling] | None = None,
    ) -> None:
        dynamics = HopfieldDynamics(energy, drives, routings=routings, prepared=prepared)
        self.cotangent, self.routings = list(cotangent), routings
        self.derivative = [
            layer.activation.derivative(dynamics.pre_activation(state, i))
            for i, layer in enumerate(energy.layers)
        ]
        self._couplings = dynamics.prepared
        self._resting = set(range(len(energy.layers)))

    def update(self, state: State, layer: int) -> Tensor:
        total = _Sum(in_place=True)
        c = self.cotangent[layer]
        if c is not None:
            total.add(c)
        for index, coupling in enumerate(self._couplings):
            routing = self.routings.get(index, ())
            if coupling.target == layer and coupling.source not in self._resting:
                total.add(coupling.tangent(state[coupling.source], routing))
            if coupling.source == layer and coupling.target not in self._resting:
                total.add_adjoint(coupling, state[coupling.target], routing)
        value, own = total.value(state[layer])
        return value.mul_(self.derivative[layer]) if own else value * self.derivative[layer]

    def moved(self, layer: int) -> None:
        """``layer`` is no longer at rest; nothing else is kept between updates."""
        self._resting.discard(layer)

    @property
    def choosing(self) -> bool:
        return False

    def freeze_routing(self, state: State) -> None:
        """The routing is frozen already."""

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        """An adjoint may have any value."""
        return s

    def select(self, rows: Tensor) -> AdjointDynamics:
        part = copy.copy(self)
        part._resting = set(self._resting)
        part._couplings = [c.reused() for c in self._couplings]
        part.cotangent = [None if c is None else take_rows(c, rows) for c in self.cotangent]
        part.derivative = [take_rows(d, rows) for d in self.derivative]
        part.routings = {i: _rows_of(routing, rows) for i, routing in self.routings.items()}
        return part


class _Sum:
    """A sum of terms, from left to right, that overwrites none of them."""

    def __init__(self, *, in_place: bool) -> None:
        self._in_place = in_place
        self._total: Tensor | None = None
        self._own = False

    def add(self, term: Tensor) -> None:
        if self._total is None:
            self._total = term
        elif self._own and self._in_place:
            self._total.add_(term)
        else:
            self._total, self._own = self._total + term, True

    def add_adjoint(
        self, coupling: Coupling | PreparedCoupling, b: Tensor, routing: Routing
    ) -> None:
        self._own = self._total is not None
        self._total = coupling.adjoint(b, routing, self._total)

    def value(self, like: Tensor) -> tuple[Tensor, bool]:
        """The sum, and whether its memory is its own; zeros of ``like`` without a term."""
        if self._total is None:
            return torch.zeros_like(like), True
        return self._total, self._own


def _repeated(x: Tensor, count: int) -> Tensor:
    """(1, ...) to (count, ...), in the memory layout of ``x``."""
    return torch.cat([x] * count)


def _rows_of(routing: Routing, rows: Tensor) -> Routing:
    return tuple(take_rows(choice, rows) for choice in routing)
