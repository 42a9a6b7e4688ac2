"""Update rules of Hopfield blocks: for states, for adjoints, and for displacements of AEP.

All are maps layer by layer (``ffebm_dsl.physics.relaxation.Dynamics``): given the current
states, ``update(state, i)`` is the new state of layer ``i``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from ffebm_dsl.physics.energy.chain_derivatives import Points
from ffebm_dsl.physics.energy.op_chain import BoundChain
from ffebm_dsl.physics.interfaces import Force, Routings, State
from ffebm_dsl.physics.layout import take_rows

if TYPE_CHECKING:
    from ffebm_dsl.physics.energy.hopfield import BoundHopfield


class HopfieldDynamics:
    """``s_i <- sigma_i(d phi / d s_i + force_i)``, drives held fixed.

    Each coupling costs one forward and one adjoint per sweep: the output of the forward and its
    points are cached until its source layer is updated.

    Args:
        bound: the energy at its drives and weights; with ``graph`` autograd records the updates,
            else gradients are disabled.
        force: a force on the pre-activations.
        routings: routings that are kept from the start.
        freeze_after: number of sweeps after which routings are kept; -1: never.
        from_zero: whether the relaxation starts at the zero state, whose terms are skipped.
    """

    def __init__(
        self,
        bound: BoundHopfield,
        force: Force | None = None,
        routings: Routings | None = None,
        *,
        freeze_after: int = -1,
        from_zero: bool = False,
    ) -> None:
        self.layers, self.force = bound.layers, force
        self._held = routings
        self._graph, self._fields, self._ends = bound.graph, bound.fields, bound.ends
        self._at_zero = set(range(len(bound.layers))) if from_zero else set()
        self._couplings = bound.pairs()
        self._terms, self._steps = bound.terms, bound.steps
        self._forwards: dict[int, tuple[Tensor, Points]] = {}
        self._freeze_after = freeze_after

    @property
    def live(self) -> bool:
        return self._held is None and any(pair.there.routed for pair in self._couplings)

    @property
    def may_grow(self) -> bool:
        # What bounded layers cause is bounded; a force or a term may depend on an unbounded state.
        if self.force is not None or self._terms:
            return False
        return all(any(self.layers[i].activation.bounded for i in ends) for ends in self._ends)

    @property
    def changes_after(self) -> int:
        """Number of sweeps after which routings are kept; -1 if they are already kept."""
        return self._freeze_after if self.live else -1

    def change(self, state: State) -> None:
        """Keep the routings at ``state`` from now on."""
        self._held = self.routings(state)
        self._forwards.clear()

    def update(self, state: State, layer: int) -> Tensor:
        activation = self.layers[layer].activation
        with self._grad_mode():
            v, own = self._pre_activation(state, layer)
            s = activation.overwrite(v) if own and not self._graph else activation(v)
            return state[layer].lerp(s, self._steps[layer]) if layer in self._steps else s

    def pre_activation(self, state: State, layer: int) -> Tensor:
        """``d phi / d s_layer`` plus the force, (B, *layer shape)."""
        with self._grad_mode():
            return self._pre_activation(state, layer)[0]

    def moved(self, layer: int) -> None:
        """Discard what was computed from the old state of ``layer``."""
        self._at_zero.discard(layer)
        for k, (source, _) in enumerate(self._ends):
            if source == layer:
                self._forwards.pop(k, None)

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        """Project ``s`` in place onto the states that the layer can take."""
        return self.layers[layer].activation.project(s)

    def routings(self, state: State) -> Routings:
        """The routings that are kept, or else those at ``state``."""
        if self._held is not None:
            return self._held
        with self._grad_mode():
            return {
                k: pair.there.routing(self._forward(state, k)[1])
                for k, pair in enumerate(self._couplings)
                if pair.there.routed
            }

    def select(self, rows: Tensor) -> HopfieldDynamics:
        """The dynamics of these samples alone, with their cached values."""
        part = copy.copy(self)
        part.force = None if self.force is None else self.force.select(rows)
        part._held = None if self._held is None else rows_of(self._held, rows)
        part._at_zero = set(self._at_zero)
        part._couplings = [pair.reused() for pair in self._couplings]
        part._fields = {i: take_rows(u, rows) for i, u in self._fields.items()}
        part._forwards = {
            k: (take_rows(value, rows), tuple(take_rows(p, rows) for p in points))
            for k, (value, points) in self._forwards.items()
        }
        return part

    def _grad_mode(self) -> torch.set_grad_enabled:
        return torch.set_grad_enabled(self._graph and torch.is_grad_enabled())

    def _pre_activation(self, state: State, layer: int) -> tuple[Tensor, bool]:
        """The pre-activation, and whether it may be overwritten."""
        total = _Sum(in_place=not self._graph)
        if layer in self._fields:
            total.add(self._fields[layer])
        for k, (pair, (source, target)) in enumerate(zip(self._couplings, self._ends, strict=True)):
            if target == layer:
                total.add(self._forward(state, k)[0])
            if source == layer and target not in self._at_zero:
                points = () if pair.there.linear else self._forward(state, k)[1]
                total.add_adjoint(pair.back, state[target], points)
        for term in self._terms:
            if term.layer == layer:
                total.add(term.force(state[layer]))
        return total.under(self.force, layer, state)

    def _forward(self, state: State, k: int) -> tuple[Tensor, Points]:
        if k not in self._forwards:
            chain, source = self._couplings[k].there, self._ends[k][0]
            a = state[source]
            if self._held is not None and chain.routed:
                self._forwards[k] = chain.forward(a, self._held[k])
            elif source in self._at_zero:
                value, points = chain.forward(a[:1])
                self._forwards[k] = (
                    torch.cat([value] * len(a)),
                    tuple(torch.cat([point] * len(a)) for point in points),
                )
            else:
                self._forwards[k] = chain.forward(a)
        return self._forwards[k]


class _Transposed:
    """A map of displacements ``w`` of the state by the transpose of ``J = dv/ds``.

    Where a coupling acts on its target by a chain, the transpose acts on its source by the adjoint
    of that chain, and vice versa; the source of nonlinear ops also feels its own displacement.
    ``J^T`` is never formed. The displacement of a layer is zero until it is updated.
    """

    changes_after = -1
    live = False
    may_grow = False

    def __init__(self, bound: BoundHopfield, state: State, routings: Routings) -> None:
        self._ends, self._routings = bound.ends, routings
        self._couplings = bound.pairs()
        self._points = self._linearised(state)
        self._met = {
            k: state[target]
            for k, (_, target) in enumerate(bound.ends)
            if self._couplings[k].there.nonlinear
        }
        self._terms, self._steps = bound.terms, bound.steps
        self._at = {term.layer: state[term.layer] for term in bound.terms}
        self._at_zero = set(range(len(bound.layers)))

    def moved(self, layer: int) -> None:
        """``layer`` is no longer at its initial state; nothing else is cached."""
        self._at_zero.discard(layer)

    def change(self, state: State) -> None:
        """The map never changes: routings are those of the equilibrium."""

    def _add(self, total: _Sum, layer: int, displaced: Callable[[int], Tensor]) -> None:
        """Add ``(J^T w)_layer``; ``displaced`` gives ``w`` of a layer."""
        for k, (pair, (source, target)) in enumerate(zip(self._couplings, self._ends, strict=True)):
            points = self._points.get(k, ())
            if target == layer and source not in self._at_zero:
                total.add(pair.back.tangent(displaced(source), points))
            if source == layer and target not in self._at_zero:
                total.add_adjoint(pair.there, displaced(target), points)
            if source == layer and k in self._met and source not in self._at_zero:
                total.add(pair.there.hvp(displaced(source), self._met[k], points, pair.back))
        for term in self._terms:
            if term.layer == layer and layer not in self._at_zero:
                total.add(term.product(self._at[layer], displaced(layer)))

    def _linearised(self, state: State) -> dict[int, Points]:
        """The points of each coupling that is not linear."""
        return {
            k: pair.there.forward(state[source], self._routings.get(k))[1]
            if pair.there.nonlinear
            else self._routings[k]
            for k, (pair, (source, _)) in enumerate(zip(self._couplings, self._ends, strict=True))
            if not pair.there.linear
        }

    def _stepped(self, old: Tensor, new: Tensor, layer: int) -> Tensor:
        """A step of a layer from ``old`` towards ``new``."""
        return old.lerp(new, self._steps[layer]) if layer in self._steps else new

    def _selected(self, rows: Tensor) -> Self:
        part = copy.copy(self)
        part._at_zero = set(self._at_zero)
        part._couplings = [pair.reused() for pair in self._couplings]
        part._at = {i: take_rows(s, rows) for i, s in self._at.items()}
        part._routings = rows_of(self._routings, rows)
        part._points = rows_of(self._points, rows)
        part._met = {k: take_rows(b, rows) for k, b in self._met.items()}
        return part


class AdjointDynamics(_Transposed):
    """``w_i <- D_i (c_i + (J^T w)_i)``: the dynamics linearised at an equilibrium.

    ``D`` is sigma' at the equilibrium's pre-activations, ``J`` their derivative by the state
    there (the Hessian of phi where there is an energy) and ``c`` the cotangent. It must
    start at zero, with gradients disabled.
    """

    def __init__(
        self,
        bound: BoundHopfield,
        state: State,
        cotangent: Sequence[Tensor | None],
        routings: Routings,
    ) -> None:
        super().__init__(bound, state, routings)
        self._cotangent = list(cotangent)
        self._slopes = [bound.slope(state, i, routings) for i in range(len(bound.layers))]

    def update(self, state: State, layer: int) -> Tensor:
        total = _Sum(in_place=True)
        c = self._cotangent[layer]
        if c is not None:
            total.add(c)
        self._add(total, layer, state.__getitem__)
        new = self._slopes[layer](total.value(state[layer])[0])
        return self._stepped(state[layer], new, layer)

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        """An adjoint may have any value."""
        return s

    def select(self, rows: Tensor) -> AdjointDynamics:
        """The dynamics of these samples alone."""
        part = self._selected(rows)
        part._cotangent = [None if c is None else take_rows(c, rows) for c in self._cotangent]
        part._slopes = [slope.select(rows) for slope in self._slopes]
        return part


class DisplacedDynamics(_Transposed):
    """``s_i <- sigma_i(v_i + (J^T (s - s_free))_i + force_i)``: the nudged phases of AEP.

    ``v`` are the pre-activations at the free state and ``J`` their derivative there, which is
    constant for linear ops. It must start at the free state, with gradients disabled.
    """

    def __init__(
        self, bound: BoundHopfield, free: State, force: Force | None, routings: Routings
    ) -> None:
        super().__init__(bound, free, routings)
        self._layers, self._free, self._force = bound.layers, list(free), force
        self._v = [bound.pre_activation(free, i, routings) for i in range(len(free))]

    def update(self, state: State, layer: int) -> Tensor:
        total = _Sum(in_place=True)
        total.add(self._v[layer])
        self._add(total, layer, lambda i: state[i] - self._free[i])
        value, own = total.under(self._force, layer, state)
        activation = self._layers[layer].activation
        new = activation.overwrite(value) if own else activation(value)
        return self._stepped(state[layer], new, layer)

    def routings(self, state: State) -> Routings:
        """The routings of the free state."""
        return self._routings

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        """Project ``s`` in place onto the states that the layer can take."""
        return self._layers[layer].activation.project(s)

    def select(self, rows: Tensor) -> DisplacedDynamics:
        """The dynamics of these samples alone."""
        part = self._selected(rows)
        part._force = None if self._force is None else self._force.select(rows)
        part._free, part._v = ([take_rows(x, rows) for x in xs] for xs in (self._free, self._v))
        return part


class _Sum:
    """A sum of terms, in order, that overwrites none of them."""

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

    def add_adjoint(self, chain: BoundChain, b: Tensor, points: Points) -> None:
        self._own = self._total is not None
        self._total = chain.adjoint(b, points, self._total)

    def under(self, force: Force | None, layer: int, state: State) -> tuple[Tensor, bool]:
        """:meth:`value` with the force on the layer."""
        value, own = self.value(state[layer])
        if force is None:
            return value, own
        felt = force.onto(value, layer, state, overwrite=own and self._in_place)
        return felt, own or felt is not value

    def value(self, like: Tensor) -> tuple[Tensor, bool]:
        """The sum, and whether it may be overwritten; zeros like ``like`` without a term."""
        if self._total is None:
            return torch.zeros_like(like), True
        return self._total, self._own


def rows_of(of: Mapping[int, Points], rows: Tensor) -> dict[int, Points]:
    """The routings, or points, of these samples alone."""
    return {k: tuple(take_rows(c, rows) for c in each) for k, each in of.items()}
