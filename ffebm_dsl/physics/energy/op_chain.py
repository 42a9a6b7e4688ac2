"""Chains of ops: couplings between two layers, and drives of one layer.

A coupling adds ``<op(a), b>`` to phi, where ``op`` is a chain of ops with Jacobian J. The coupling
therefore contributes ``op(a)`` to the pre-activation of ``b``, and ``J^T b``, with J at ``a``, to
that of ``a``. Both are computed directly, without an autograd graph, and are differentiable if a
graph is requested. Most ops are linear; J of the others depends on their choices or inputs, which
``forward`` gives as the chain's *points* (:mod:`~ffebm_dsl.physics.energy.chain_derivatives`).

Shapes: ``a`` is (B, *shape of the chain's input), ``b`` is (B, *shape of its output).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.energy.chain_derivatives import (
    Bound,
    Points,
    adjoints,
    forward,
    inputs,
    routing_of,
    second_order,
    tangent,
    tangents,
)
from ffebm_dsl.physics.energy.complex_states import complex_op
from ffebm_dsl.physics.energy.composed import composed
from ffebm_dsl.physics.energy.weights import BACKWARD, OpWeights
from ffebm_dsl.physics.interfaces import (
    Acceleration,
    BoundOp,
    CouplingOp,
    LinearOp,
    NonlinearOp,
    RoutedOp,
    Routing,
    Weights,
)
from ffebm_dsl.physics.layout import blank
from ffebm_dsl.physics.modules import NamedModules

OWN = "own"
"""The feedback of a coupling whose way back has weights of its own."""


class OpChain(nn.Module):
    """Ops by name, in order; an empty chain is the identity.

    ``ops`` maps a name to an op, or to an :class:`OpWeights` that other chains use too.
    ``backward`` gives the ops weights of the way back.
    """

    def __init__(
        self, ops: Mapping[str, CouplingOp | OpWeights] | None = None, *, backward: bool = False
    ) -> None:
        super().__init__()
        held = {
            name: op if isinstance(op, OpWeights) else OpWeights(op, backward=backward)
            for name, op in (ops or {}).items()
        }
        self.ops = NamedModules(held)

    def weights(self) -> dict[str, Tensor]:
        """The current weights of all ops: ``conv2d.weight``, ``conv2d.bias``."""
        return {
            f"{name}.{key}": weight
            for name, held in zip(self.ops.names(), self.ops, strict=True)
            for key, weight in held().items()
        }

    def forward(self, x: Tensor) -> Tensor:
        """The output of the ops for ``x``, (B, *shape of the input), recorded by autograd."""
        return self.bound(self.weights()).forward(x)[0]

    @property
    def routed(self) -> bool:
        """Whether an op of the chain needs a routing."""
        return any(isinstance(held.op, RoutedOp) for held in self.ops)

    @property
    def nonlinear(self) -> bool:
        """Whether an op of the chain is nonlinear, so that the source feels its own state."""
        return any(isinstance(held.op, NonlinearOp) for held in self.ops)

    def bound(
        self, weights: Weights, batch: int | None = None, *, backward: bool = False
    ) -> BoundChain:
        """The chain with these weights, with names as in :meth:`weights`.

        With ``batch`` they are packed for sweeps of that many samples, without a graph.
        ``backward`` selects the weights of the way back.
        """
        ops: list[Bound] = []
        for name, held in zip(self.ops.names(), self.ops, strict=True):
            if not isinstance(held.op, LinearOp):
                ops.append(held.op)
                continue
            keys = [k for k in held.op.weight_shapes() if not (backward and k == "bias")]
            way = BACKWARD if backward else ""
            ops.append(BoundOp(held.op, {key: weights[f"{name}.{way}{key}"] for key in keys}))
        return BoundChain(self.ops.names(), ops, batch)


def acceleration(couplings: Iterable[Coupling], *, stepwise: bool) -> Acceleration | None:
    """``Energy.acceleration`` of an energy with these couplings, as ``Acceleration.suited``."""
    held = list(couplings)
    return Acceleration.suited(
        stepwise=stepwise,
        nonlinear=any(coupling.nonlinear for coupling in held),
        lateral=any(coupling.source == coupling.target for coupling in held),
    )


class Coupling(OpChain):
    """A coupling of two layers, given by their indices.

    It adds ``op(s_source)`` to the pre-activation of the target, and ``feedback`` times
    ``J^T s_target`` to that of the source. With a feedback of 1 both derive from
    ``<op(s_source), s_target>``; with another one they may still derive from an energy
    (:mod:`~ffebm_dsl.physics.interfaces.reciprocity`). With ``feedback="own"`` the way back uses
    the transpose of the same ops with weights of their own, and there is no energy.
    ``source == target`` is a lateral coupling.

    Raises:
        ValueError: the feedback is 0 or infinite, or is ``"own"`` but the ops have no weights.
    """

    def __init__(
        self,
        source: int,
        target: int,
        ops: Mapping[str, CouplingOp | OpWeights] | None = None,
        *,
        feedback: float | str = 1.0,
    ) -> None:
        super().__init__(ops, backward=feedback == OWN)
        self.source, self.target, self.feedback = source, target, feedback
        if self.own:
            if not any(f".{BACKWARD}" in name for name in self.weights()):
                raise ValueError("a coupling without weights has none of its own for the way back")
        elif isinstance(feedback, str) or not 0 < abs(feedback) < math.inf:
            raise ValueError(f"feedback is a factor other than 0 or {OWN!r}, not {feedback!r}")

    @property
    def own(self) -> bool:
        """Whether the way back has weights of its own."""
        return self.feedback == OWN

    def bound_back(
        self, weights: Weights, forward: BoundChain, batch: int | None = None
    ) -> BoundChain:
        """The chain whose adjoint acts on the source; ``forward`` is the chain to the target."""
        if self.own:
            return self.bound(weights, batch, backward=True)
        return forward if self.feedback == 1 else forward.scaled(float(self.feedback))

    def back(self, a: Tensor, b: Tensor) -> Tensor:
        """The contribution of the target at ``b`` to the source at ``a``, recorded by autograd."""
        weights = self.weights()
        forward = self.bound(weights)
        return self.bound_back(weights, forward).adjoint(b, forward.forward(a)[1])


class Drive(OpChain):
    """``<op(u), s_layer>``: a one-way connection from the output of a map to a layer.

    Raises:
        ValueError: an op is not linear; it belongs in the feedforward map.
    """

    def __init__(self, layer: int, ops: Mapping[str, CouplingOp | OpWeights] | None = None) -> None:
        super().__init__(ops)
        if self.routed or self.nonlinear:
            raise ValueError("the ops of a drive are linear: put others in the map before it")
        self.layer = layer


class BoundChain:
    """A chain of ops with its weights.

    If packed, intermediate results of adjoints are kept in buffers that the next adjoint
    overwrites.
    """

    def __init__(self, names: Sequence[str], ops: Sequence[Bound], batch: int | None) -> None:
        self.names, self.plain = names, ops
        self.routed = any(isinstance(op, RoutedOp) for op in ops)
        self.nonlinear = any(isinstance(op, NonlinearOp) for op in ops)
        self._packed = batch is not None
        self._ops = list(ops) if batch is None else composed(ops, batch)
        self._buffers: dict[int, Tensor] = {}
        self._factor = 1.0

    @property
    def linear(self) -> bool:
        """Whether every op is linear, so that there are no points."""
        return not (self.routed or self.nonlinear)

    def scaled(self, factor: float) -> BoundChain:
        """The chain with :meth:`tangent` and :meth:`adjoint` multiplied by ``factor``."""
        other = self.reused()
        other._factor = factor * self._factor
        return other

    def complex(self) -> BoundChain:
        """The chain for complex tensors.

        Raises:
            ValueError: an op is not holomorphic, such as max pooling.
        """
        other = self.reused()
        other.plain = [complex_op(op) for op in self.plain]
        other._ops = [complex_op(op) for op in self._ops]
        return other

    def reused(self) -> BoundChain:
        """The chain with the same packed weights and buffers of its own."""
        other = copy.copy(self)
        other._buffers = {}
        return other

    def forward(self, a: Tensor, routing: Routing | None = None) -> tuple[Tensor, Points]:
        """``op(a)``, under ``routing`` if it is given, and the points."""
        return forward(self._ops, a, routing)

    def routing(self, points: Points) -> Routing:
        """The choices among the points."""
        return routing_of(self._ops, points)

    def tangent(self, a: Tensor, points: Points) -> Tensor:
        """The derivative of ``op`` at the points, in direction ``a``."""
        a, at = self._times(a), iter(points)
        for op in self._ops:
            a = tangent(op, a, None if isinstance(op, BoundOp) else next(at))
        return a

    def offset(self) -> Tensor | None:
        """The output of a chain of linear ops for zero, (1, *shape of its output); None: zero."""
        value: Tensor | None = None
        for op in self._ops:
            assert isinstance(op, BoundOp), "only a linear op is the same at all inputs"
            bias = op.weights.get("bias")
            if value is not None:
                value = op(value)
            elif bias is not None:
                value = bias.new_zeros(1, *op.op.out_shape)
                value = value + bias.view(1, -1, *[1] * (value.dim() - 2))
        return value

    def adjoint(self, b: Tensor, points: Points, onto: Tensor | None = None) -> Tensor:
        """``J^T b`` at the points; with ``onto`` the sum of both, as a new tensor."""
        at, b = iter(reversed(points)), self._times(b)
        for k in reversed(range(len(self._ops))):
            op = self._ops[k]
            if isinstance(op, RoutedOp):
                b = op.adjoint(b, next(at), self._buffer(k, op, b))
            elif isinstance(op, NonlinearOp):
                b = op.adjoint(b, next(at))
            elif k == 0 and onto is not None:
                return op.adjoint_onto(b, onto)
            else:
                b = op.adjoint(b)
        return b if onto is None else onto + b

    def hvp(self, da: Tensor, b: Tensor, points: Points, back: BoundChain) -> Tensor:
        """The gradient by ``a`` of ``<da, J^T b>``, with J of ``back`` at this chain's points.

        If ``back`` is this chain, it is the Hessian of ``<op(a), b>`` times ``da``. At least one
        op of the chain must be nonlinear.
        """
        entering = tangents(back._ops, da, points)
        leaving = adjoints(back._ops, back._times(b), points)
        found = second_order(self._ops, entering, leaving, points)[1]
        assert found is not None, "no op is nonlinear"
        return found

    def weight_gradient(self, a: Tensor, b: Tensor, routing: Routing) -> dict[str, Tensor]:
        """``d <op(a), b> / d weight``, summed over the batch, by the weight's name."""
        with torch.no_grad():
            entering, points = inputs(self.plain, a, routing)
            leaving = adjoints(self.plain, b, points)
            return self.gradients(entering, leaving, leaving)

    def mixed_gradient(
        self, a: Tensor, b: Tensor, moved: tuple[Tensor, Tensor], routing: Routing
    ) -> dict[str, Tensor]:
        """``d (<op(a), db> + <J da, b>) / d weight``, with ``moved = (da, db)``, as above."""
        return Pair(self, self).mixed_gradient((a, b), moved, routing)[0]

    def gradients(
        self,
        entering: Mapping[int, Tensor],
        leaving: Mapping[int, Tensor],
        affine: Mapping[int, Tensor],
    ) -> dict[str, Tensor]:
        """Gradients by name; ``affine`` are the cotangents that biases feel."""
        gradients: dict[str, Tensor] = {}
        for k, x in entering.items():
            op = self.plain[k]
            if not isinstance(op, BoundOp):
                continue
            found = op.weight_gradient(x, leaving[k])
            if "bias" in op.weights:
                found["bias"] = op.bias_gradient(affine[k])
            gradients |= {f"{self.names[k]}.{key}": g for key, g in found.items()}
        return gradients

    def _times(self, x: Tensor) -> Tensor:
        return x if self._factor == 1 else x * self._factor

    def _buffer(self, k: int, op: RoutedOp, like: Tensor) -> Tensor | None:
        """The buffer for the adjoint of op ``k``; None if no weighted op before it consumes it."""
        if not (self._packed and any(isinstance(o, BoundOp) and o.weights for o in self._ops[:k])):
            return None
        kept = self._buffers.get(k)
        if kept is None or len(kept) != len(like):
            kept = self._buffers[k] = blank(like, op.in_shape)
        return kept


class Pair(NamedTuple):
    """The two directions of a coupling: ``there`` from source to target, and ``back``, the chain
    whose adjoint acts on the source; it is the same chain if the coupling is symmetric."""

    there: BoundChain
    back: BoundChain

    def reused(self) -> Pair:
        """The chain with the same packed weights and buffers of its own."""
        there = self.there.reused()
        return Pair(there, there if self.back is self.there else self.back.reused())

    def complex(self) -> Pair:
        """The chain for complex tensors.

        Raises:
            ValueError: an op is not holomorphic, such as max pooling.
        """
        there = self.there.complex()
        return Pair(there, there if self.back is self.there else self.back.complex())

    def mixed_gradient(
        self, ends: tuple[Tensor, Tensor], moved: tuple[Tensor, Tensor], routing: Routing
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """``d (<op(a), db> + <da, J^T b>) / d weight``, ``ends = (a, b)``, ``moved = (da, db)``.

        J is that of ``back``, if it has weights of its own. Keys are the names of the weights of
        ``there`` and of ``back``.
        """
        (a, b), (da, db) = ends, moved
        there, back = self
        with torch.no_grad():
            entering, points = inputs(there.plain, a, routing)
            moving, meeting = tangents(back.plain, da, points), adjoints(back.plain, b, points)
            leaving = adjoints(there.plain, db, points)
            bent = second_order(there.plain, moving, meeting, points)[0]
            leaving |= {k: leaving[k] + bent[k] for k in leaving if k in bent}
            if back is not there:
                own = back.gradients(moving, meeting, meeting)
                return there.gradients(entering, leaving, leaving), own
            joined = {k: torch.cat([entering[k], moving[k]]) for k in entering}
            cotangents = {k: torch.cat([leaving[k], meeting[k]]) for k in entering}
            return there.gradients(joined, cotangents, leaving), {}
