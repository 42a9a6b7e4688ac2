"""Chains of ops: what joins two layers of a block, and what a drive passes on its way in.

A coupling adds ``<op(a), b>`` to phi. ``op`` is a chain of linear and routed ops, and linear
once the routing is fixed. So the field that the coupling exerts is ``op(a)`` on ``b``, and the
adjoint ``op^T b``, at the routing of ``a``, on ``a``. Both are computed directly, without an
autograd graph, and are differentiable where a graph is asked for.

Shapes: ``a`` is (B, *shape of the chain's input), ``b`` is (B, *shape of its output).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.energy.complex_states import ComplexOp
from ffebm_dsl.physics.energy.composed import composed
from ffebm_dsl.physics.energy.weights import BACKWARD, OpWeights
from ffebm_dsl.physics.interfaces import BoundOp, CouplingOp, RoutedOp, Weights
from ffebm_dsl.physics.layout import blank
from ffebm_dsl.physics.modules import NamedModules

Routing = tuple[Tensor, ...]
"""One index tensor per routed op of a chain, in the order of the chain."""

OWN = "own"
"""The feedback of a coupling whose way back has weights of its own."""


class OpChain(nn.Module):
    """Ops by name, in order; no ops are the identity.

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
        """The present weights of all ops: ``conv2d.weight``, ``conv2d.bias``."""
        return {
            f"{name}.{key}": weight
            for name, held in zip(self.ops.names(), self.ops, strict=True)
            for key, weight in held().items()
        }

    def forward(self, x: Tensor) -> Tensor:
        """What the ops make of ``x``, (B, *shape of the chain's input), for autograd."""
        return self.bound(self.weights()).forward(x)[0]

    @property
    def routed(self) -> bool:
        """Whether an op of the chain needs a routing."""
        return any(isinstance(held.op, RoutedOp) for held in self.ops)

    def bound(
        self, weights: Weights, batch: int | None = None, *, backward: bool = False
    ) -> BoundChain:
        """The chain with these weights, named as by :meth:`weights`.

        With ``batch`` they are packed for the sweeps of so many samples, without a graph.
        ``backward`` takes those of the way back.
        """
        ops: list[BoundOp | RoutedOp] = []
        for name, held in zip(self.ops.names(), self.ops, strict=True):
            if isinstance(held.op, RoutedOp):
                ops.append(held.op)
                continue
            keys = [k for k in held.op.weight_shapes() if not (backward and k == "bias")]
            way = BACKWARD if backward else ""
            ops.append(BoundOp(held.op, {key: weights[f"{name}.{way}{key}"] for key in keys}))
        return BoundChain(self.ops.names(), ops, batch)


class Coupling(OpChain):
    """What two layers, given by their indices, exert on each other.

    The target feels ``op(s_source)``, and the source ``feedback`` times the transpose,
    ``op^T s_target``. With a feedback of 1 both derive from ``<op(s_source), s_target>``; with
    another one they may still derive from an energy
    (:mod:`~ffebm_dsl.physics.interfaces.reciprocity`). With ``feedback="own"`` the source feels
    the transpose of the same ops with weights of their own, and no energy is left.
    ``source == target`` is a lateral coupling.

    Raises:
        ValueError: a feedback that is not positive, or ``"own"`` where the ops have no weights.
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
        elif isinstance(feedback, str) or not 0 < feedback < math.inf:
            raise ValueError(f"feedback is a positive factor or {OWN!r}, not {feedback!r}")

    @property
    def own(self) -> bool:
        """Whether the way back has weights of its own."""
        return self.feedback == OWN

    def bound_back(
        self, weights: Weights, forward: BoundChain, batch: int | None = None
    ) -> BoundChain:
        """The chain whose adjoint acts on the source; ``forward`` is the coupling bound so."""
        if self.own:
            return self.bound(weights, batch, backward=True)
        return forward if self.feedback == 1 else forward.scaled(float(self.feedback))

    def back(self, a: Tensor, b: Tensor) -> Tensor:
        """What the source at ``a`` feels of the target at ``b``, for autograd."""
        weights = self.weights()
        forward = self.bound(weights)
        return self.bound_back(weights, forward).adjoint(b, forward.forward(a)[1])


class Drive(OpChain):
    """``<op(u), s_layer>``: what a map's output passes on its way into a layer, one way.

    Raises:
        ValueError: an op that needs a routing; it belongs in the feedforward map.
    """

    def __init__(self, layer: int, ops: Mapping[str, CouplingOp | OpWeights] | None = None) -> None:
        super().__init__(ops)
        if self.routed:
            raise ValueError("the ops of a drive are linear: put max pooling in the map before it")
        self.layer = layer


class BoundChain:
    """A chain of ops with its weights.

    Packed, what an adjoint spreads out behind another op is kept in a buffer that the next
    adjoint overwrites.
    """

    def __init__(
        self, names: Sequence[str], ops: Sequence[BoundOp | RoutedOp], batch: int | None
    ) -> None:
        self.names, self.plain = names, ops
        self.routed = any(isinstance(op, RoutedOp) for op in ops)
        self._packed = batch is not None
        self._ops = list(ops) if batch is None else composed(ops, batch)
        self._buffers: dict[int, Tensor] = {}
        self._factor = 1.0

    def scaled(self, factor: float) -> BoundChain:
        """The same linear map times ``factor``: in :meth:`tangent` and :meth:`adjoint`."""
        other = self.reused()
        other._factor = factor * self._factor
        return other

    def complex(self) -> BoundChain:
        """The same on complex tensors.

        Raises:
            ValueError: an op that is not holomorphic, such as max pooling.
        """
        if self.routed:
            raise ValueError("a choice among inputs, as max pooling makes it, is not holomorphic")
        other = self.reused()
        other.plain = [ComplexOp(op) for op in self.plain if isinstance(op, BoundOp)]
        other._ops = [ComplexOp(op) for op in self._ops if isinstance(op, BoundOp)]
        return other

    def reused(self) -> BoundChain:
        """The same, packed weights and all, with buffers of its own."""
        other = copy.copy(self)
        other._buffers = {}
        return other

    def forward(self, a: Tensor) -> tuple[Tensor, Routing]:
        """``op(a)`` and the routing that was taken."""
        routing = []
        for op in self._ops:
            if isinstance(op, RoutedOp):
                a, choice = op.forward(a)
                routing.append(choice)
            else:
                a = op(a)
        return a, tuple(routing)

    def along(self, a: Tensor, routing: Routing) -> Tensor:
        """``op(a)`` at a given routing."""
        return _along(self._ops, a, routing)

    def tangent(self, a: Tensor, routing: Routing) -> Tensor:
        """The derivative of ``op`` in direction ``a``: :meth:`along` without the biases."""
        return _along(self._ops, self._times(a), routing, tangent=True)

    def offset(self) -> Tensor | None:
        """What a chain of linear ops makes of zero, (1, *shape of its output); None: zero."""
        value: Tensor | None = None
        for op in self._ops:
            assert isinstance(op, BoundOp), "a routed op makes what its routing says"
            bias = op.weights.get("bias")
            if value is not None:
                value = op(value)
            elif bias is not None:
                value = bias.new_zeros(1, *op.op.out_shape)
                value = value + bias.view(1, -1, *[1] * (value.dim() - 2))
        return value

    def adjoint(self, b: Tensor, routing: Routing, onto: Tensor | None = None) -> Tensor:
        """``op^T b`` at ``routing``; with ``onto`` the sum of both, in a tensor of its own."""
        choices, b = iter(reversed(routing)), self._times(b)
        for k in reversed(range(len(self._ops))):
            op = self._ops[k]
            if isinstance(op, RoutedOp):
                b = op.adjoint(b, next(choices), self._buffer(k, op, b))
            elif k == 0 and onto is not None:
                return op.adjoint_onto(b, onto)
            else:
                b = op.adjoint(b)
        return b if onto is None else onto + b

    def weight_gradient(self, a: Tensor, b: Tensor, routing: Routing) -> dict[str, Tensor]:
        """``d <along(a), b> / d weight``, summed over the batch, by the weight's name."""
        with torch.no_grad():
            inputs, cotangents = _entering(self.plain, a, routing), _leaving(self.plain, b, routing)
            return self._gradients(inputs, cotangents, cotangents)

    def mixed_gradient(
        self, a: Tensor, b: Tensor, moved: tuple[Tensor, Tensor], routing: Routing
    ) -> dict[str, Tensor]:
        """The same of ``<along(a), db> + <tangent(da), b>``, with ``moved = (da, db)``."""
        ops = self.plain
        with torch.no_grad():
            inputs, cotangents = _entering(ops, a, routing), _leaving(ops, moved[1], routing)
            others = _entering(ops, moved[0], routing, tangent=True)
            back = _leaving(ops, b, routing)
            return self._gradients(
                {k: torch.cat([inputs[k], others[k]]) for k in inputs},
                {k: torch.cat([cotangents[k], back[k]]) for k in cotangents},
                cotangents,
            )

    def _gradients(
        self,
        inputs: dict[int, Tensor],
        cotangents: dict[int, Tensor],
        affine: dict[int, Tensor],
    ) -> dict[str, Tensor]:
        """Gradients by name; ``affine`` are the cotangents that biases feel."""
        gradients: dict[str, Tensor] = {}
        for k, x in inputs.items():
            op = self.plain[k]
            assert isinstance(op, BoundOp)
            found = op.weight_gradient(x, cotangents[k])
            if "bias" in op.weights:
                found["bias"] = op.bias_gradient(affine[k])
            gradients |= {f"{self.names[k]}.{key}": g for key, g in found.items()}
        return gradients

    def _times(self, x: Tensor) -> Tensor:
        return x if self._factor == 1 else x * self._factor

    def _buffer(self, k: int, op: RoutedOp, like: Tensor) -> Tensor | None:
        """Where op ``k`` puts its adjoint; None where no weighted op in front uses it up."""
        if not (self._packed and any(isinstance(o, BoundOp) and o.weights for o in self._ops[:k])):
            return None
        kept = self._buffers.get(k)
        if kept is None or len(kept) != len(like):
            kept = self._buffers[k] = blank(like, op.in_shape)
        return kept


class Pair(NamedTuple):
    """The two ways through a coupling: ``there`` from source to target, and the chain whose
    adjoint acts ``back``, which is the same one where the coupling is symmetric."""

    there: BoundChain
    back: BoundChain

    def reused(self) -> Pair:
        """The same, packed weights and all, with buffers of its own."""
        there = self.there.reused()
        return Pair(there, there if self.back is self.there else self.back.reused())

    def complex(self) -> Pair:
        """The same on complex tensors.

        Raises:
            ValueError: an op that is not holomorphic, such as max pooling.
        """
        there = self.there.complex()
        return Pair(there, there if self.back is self.there else self.back.complex())


def _along(
    ops: Sequence[BoundOp | RoutedOp], a: Tensor, routing: Routing, *, tangent: bool = False
) -> Tensor:
    choices = iter(routing)
    for op in ops:
        if isinstance(op, RoutedOp):
            a = op.tangent(a, next(choices))
        else:
            a = op.tangent(a) if tangent else op(a)
    return a


def _weighted(ops: Sequence[BoundOp | RoutedOp]) -> list[int]:
    return [k for k, op in enumerate(ops) if isinstance(op, BoundOp) and op.weights]


def _entering(
    ops: Sequence[BoundOp | RoutedOp], a: Tensor, routing: Routing, *, tangent: bool = False
) -> dict[int, Tensor]:
    """What enters each op that has weights, as ``a`` enters the chain."""
    inputs: dict[int, Tensor] = {}
    weighted = _weighted(ops)
    choices = iter(routing)
    for k in range(max(weighted, default=-1) + 1):
        op = ops[k]
        if k in weighted:
            inputs[k] = a
        if k == weighted[-1]:
            break
        if isinstance(op, RoutedOp):
            a = op.tangent(a, next(choices))
        else:
            a = op.tangent(a) if tangent else op(a)
    return inputs


def _leaving(ops: Sequence[BoundOp | RoutedOp], b: Tensor, routing: Routing) -> dict[int, Tensor]:
    """The cotangent of what leaves each op that has weights, ``b`` being the chain's."""
    cotangents: dict[int, Tensor] = {}
    weighted = _weighted(ops)
    choices = iter(reversed(routing))
    for k in reversed(range(min(weighted, default=len(ops)), len(ops))):
        op = ops[k]
        if k in weighted:
            cotangents[k] = b
        if k == weighted[0]:
            break
        b = op.adjoint(b, next(choices)) if isinstance(op, RoutedOp) else op.adjoint(b)
    return cotangents
