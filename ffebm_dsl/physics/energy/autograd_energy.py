"""An energy bound by automatic differentiation of phi, and its update rules."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.func import functional_call

from ffebm_dsl.physics.energy.op_chain import OpChain
from ffebm_dsl.physics.interfaces import (
    Activation,
    BoundEnergy,
    EnergyGradient,
    Force,
    Routings,
    State,
    Weights,
    curvature,
    inner,
    per_sample,
)
from ffebm_dsl.physics.layout import take_rows

if TYPE_CHECKING:
    from ffebm_dsl.physics.energy.energy import Energy


class Slope:
    """The derivative of a layer's updated state by the force on it, a symmetric linear map.

    Args:
        at: the diagonal, (B, *layer shape); with ``mixing`` the pre-activation.
        mixing: the activation, if its Jacobian is not diagonal.
    """

    def __init__(self, at: Tensor, mixing: Activation | None = None) -> None:
        self._at, self._mixing = at, mixing

    @staticmethod
    def of(activation: Activation, v: Tensor) -> Slope:
        """The Jacobian of an activation at a pre-activation."""
        if activation.elementwise:
            return Slope(activation.derivative(v))
        return Slope(v, activation)

    def __call__(self, t: Tensor) -> Tensor:
        """The product with ``t``, as a new tensor."""
        return t * self._at if self._mixing is None else self._mixing.jvp(self._at, t)

    def select(self, rows: Tensor) -> Slope:
        """The map at these samples alone."""
        part = copy.copy(self)
        part._at = take_rows(self._at, rows)
        return part


class AutogradEnergy(BoundEnergy):
    """An energy given by phi alone, with all derivatives by automatic differentiation."""

    def __init__(
        self, energy: Energy, drives: Sequence[Tensor], weights: Weights, *, graph: bool
    ) -> None:
        self._energy, self.graph = energy, graph
        self.layers, self.drives, self.weights = energy.layers, tuple(drives), dict(weights)

    @property
    def layer_weights(self) -> tuple[float, ...] | None:
        return self._energy.layer_weights

    def phi(self, state: State) -> Tensor:
        """phi at the bound weights and drives, (B,)."""
        value: Tensor = functional_call(
            self._energy, dict(self.weights), (list(state), list(self.drives))
        )
        return value

    def repeated(self, copies: int) -> Self:
        drives = [torch.cat([u] * copies) for u in self.drives]
        return type(self)(self._energy, drives, self.weights, graph=self.graph)

    def select(self, rows: Tensor) -> Self:
        """The energy of these samples alone."""
        drives = [take_rows(u, rows) for u in self.drives]
        return type(self)(self._energy, drives, self.weights, graph=self.graph)

    def pre_activation(self, state: State, layer: int, routings: Routings | None = None) -> Tensor:
        record = self.graph and torch.is_grad_enabled()
        with torch.enable_grad():
            s, x = list(state), state[layer]
            # A view of its own where there is a graph: the layer may feed others of the state.
            s[layer] = x.view_as(x) if record and x.requires_grad else x.detach().requires_grad_()
            (v,) = torch.autograd.grad(
                self.phi(s).sum(), s[layer], create_graph=record, materialize_grads=True
            )
        return self._over_weight(v, layer)

    def pre_activation_and_stiffness(
        self, state: State, layer: int
    ) -> tuple[Tensor, Tensor | None]:
        """The pre-activation, and by what a step towards ``sigma(v)`` is divided; None for 1."""
        return self.pre_activation(state, layer), None

    def product(self, state: State, w: Sequence[Tensor], layer: int) -> Tensor:
        """``(J^T w)_layer`` with ``J = dv/ds`` at ``state``."""
        with torch.enable_grad():
            s = [x.detach().requires_grad_() for x in state]
            pairs = zip(self._field(s), w, strict=True)
            value = torch.stack([inner(v, x) for v, x in pairs]).sum()
            (found,) = torch.autograd.grad(value, s[layer], materialize_grads=True)
        return found

    def _field(self, state: Sequence[Tensor]) -> list[Tensor]:
        """All pre-activations, with a graph."""
        found = torch.autograd.grad(
            self.phi(state).sum(), state, create_graph=True, materialize_grads=True
        )
        return [self._over_weight(v, i) for i, v in enumerate(found)]

    def _over_weight(self, v: Tensor, layer: int) -> Tensor:
        weight = self._energy.require_layer_weights()[layer]
        return v if weight == 1 else v / weight

    def dynamics(
        self,
        force: Force | None = None,
        routings: Routings | None = None,
        *,
        freeze_after: int = -1,
        from_zero: bool = False,
    ) -> AutogradDynamics:
        """The update rule; see :meth:`BoundEnergy.dynamics`.

        Raises:
            ValueError: routings are to be kept, but phi chooses them anew each time.
        """
        chooses = any(isinstance(part, OpChain) and part.routed for part in self._energy.modules())
        if chooses and (freeze_after >= 0 or routings):
            name = type(self._energy).__name__
            raise ValueError(f"{name} gives only phi, and cannot keep choices of max poolings")
        return AutogradDynamics(self, force)

    def adjoint(
        self, state: State, cotangent: Sequence[Tensor | None], routings: Routings
    ) -> AutogradAdjoint:
        return AutogradAdjoint(self, state, cotangent)

    def displaced(self, state: State, force: Force | None, routings: Routings) -> AutogradDisplaced:
        return AutogradDisplaced(self, state, force)

    def contrast(
        self, states: Sequence[State], scales: Sequence[Tensor], routings: Sequence[Routings]
    ) -> EnergyGradient:
        with torch.enable_grad():
            bound = self.differentiable()
            pairs = zip(states, scales, strict=True)
            value = torch.stack([(bound.phi(state) * scale).sum() for state, scale in pairs]).sum()
            return bound._gradient(value)

    def response_gradient(
        self, state: State, response: State, scale: Tensor, routings: Routings
    ) -> EnergyGradient:
        with torch.enable_grad():
            bound = self.differentiable()
            s = [x.detach().requires_grad_() for x in state]
            pairs = zip(bound._field(s), response, strict=True)
            value = (torch.stack([inner(v, w) for v, w in pairs]).sum(0) * scale).sum()
            return bound._gradient(value)

    def differentiable(self) -> Self:
        drives = [u.detach().requires_grad_() for u in self.drives]
        weights = {k: w.detach().requires_grad_() for k, w in self.weights.items()}
        return type(self)(self._energy, drives, weights, graph=True)

    def _gradient(self, value: Tensor) -> EnergyGradient:
        inputs = [*self.weights.values(), *self.drives]
        found = torch.autograd.grad(value, inputs, allow_unused=True, materialize_grads=True)
        count = len(self.weights)
        return EnergyGradient(
            dict(zip(self.weights, found[:count], strict=True)), list(found[count:])
        )


class AutogradDynamics:
    """``s_i <- sigma_i(d phi / d s_i + force_i)`` by automatic differentiation.

    Where the energy gives a stiffness D, ``s_i <- s_i + (sigma_i(v_i + force_i) - s_i) / D_i``.
    """

    changes_after = -1
    live = False

    def __init__(self, bound: AutogradEnergy, force: Force | None) -> None:
        self.bound, self.force = bound, force

    @property
    def may_grow(self) -> bool:
        # Angles may go round.
        return any(layer.activation.periodic for layer in self.bound.layers)

    def update(self, state: State, layer: int) -> Tensor:
        v, stiffness = self.bound.pre_activation_and_stiffness(state, layer)
        return self._stepped(v, stiffness, layer, state)

    def _stepped(self, v: Tensor, stiffness: Tensor | None, layer: int, state: State) -> Tensor:
        if self.force is not None:
            v = self.force.onto(v, layer, state, overwrite=False)
            extra = None if stiffness is None else curvature(self.force, layer)
            if stiffness is not None and extra is not None:
                stiffness = stiffness + per_sample(extra.abs(), v)
        return stepped(state[layer], self.bound.layers[layer].activation(v), stiffness)

    def moved(self, layer: int) -> None:
        """Nothing is cached between updates."""

    def change(self, state: State) -> None:
        """It never changes."""

    def routings(self, state: State) -> Routings:
        """There are no routed ops."""
        return {}

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        return self.bound.layers[layer].activation.project(s)

    def select(self, rows: Tensor) -> AutogradDynamics:
        force = None if self.force is None else self.force.select(rows)
        return AutogradDynamics(self.bound.select(rows), force)


def stepped(s: Tensor, new: Tensor, stiffness: Tensor | None) -> Tensor:
    """A step from ``s`` towards ``new``, divided by the stiffness, if there is one."""
    return new if stiffness is None else s + (new - s) / stiffness


class AutogradAdjoint:
    """``w_i <- D_i (c_i + (J^T w)_i)`` by automatic differentiation, in steps as the states'."""

    changes_after = -1
    live = False
    may_grow = False

    def __init__(
        self, bound: AutogradEnergy, state: State, cotangent: Sequence[Tensor | None]
    ) -> None:
        self._bound, self._state, self._cotangent = bound, list(state), list(cotangent)
        pairs = [bound.pre_activation_and_stiffness(state, i) for i in range(len(bound.layers))]
        self._stiffness = [stiffness for _, stiffness in pairs]
        self._slopes = [
            Slope.of(layer.activation, v) for layer, (v, _) in zip(bound.layers, pairs, strict=True)
        ]

    def update(self, state: State, layer: int) -> Tensor:
        v = self._bound.product(self._state, state, layer)
        c = self._cotangent[layer]
        new = self._slopes[layer](v if c is None else v + c)
        return stepped(state[layer], new, self._stiffness[layer])

    def moved(self, layer: int) -> None:
        """Nothing is cached between updates."""

    def change(self, state: State) -> None:
        """It never changes."""

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        """An adjoint may have any value."""
        return s

    def select(self, rows: Tensor) -> AutogradAdjoint:
        part = copy.copy(self)
        part._bound = self._bound.select(rows)
        part._state = [take_rows(s, rows) for s in self._state]
        part._cotangent = _rows(self._cotangent, rows)
        part._slopes = [slope.select(rows) for slope in self._slopes]
        part._stiffness = _rows(self._stiffness, rows)
        return part


class AutogradDisplaced(AutogradDynamics):
    """``s_i <- sigma_i(v_i + (J^T (s - s_free))_i + force_i)`` by automatic differentiation."""

    def __init__(self, bound: AutogradEnergy, free: State, force: Force | None) -> None:
        super().__init__(bound, force)
        self._free = list(free)
        self._at_free = [bound.pre_activation_and_stiffness(free, i) for i in range(len(free))]

    def update(self, state: State, layer: int) -> Tensor:
        displaced = [s - free for s, free in zip(state, self._free, strict=True)]
        v, stiffness = self._at_free[layer]
        v = v + self.bound.product(self._free, displaced, layer)
        return self._stepped(v, stiffness, layer, state)

    def select(self, rows: Tensor) -> AutogradDisplaced:
        force = None if self.force is None else self.force.select(rows)
        return AutogradDisplaced(
            self.bound.select(rows), [take_rows(s, rows) for s in self._free], force
        )


def _rows(tensors: Sequence[Tensor | None], rows: Tensor) -> list[Tensor | None]:
    """These rows of the tensors that there are."""
    return [None if x is None else take_rows(x, rows) for x in tensors]
