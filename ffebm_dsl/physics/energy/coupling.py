"""Symmetric couplings between two layers: one weight, both ways.

A coupling adds ``<op(a), b>`` to phi. ``op`` is a chain of linear ops and max poolings;
a max pooling is linear once its choice of inputs, here its *routing*, is fixed. So the
field that the coupling exerts is ``op(a)`` on ``b`` and the adjoint ``op^T b``, taken at
the routing of ``a``, on ``a``. Both are computed directly, without an autograd graph
(and remain differentiable where a graph is asked for).

Shapes: ``a`` is (B, *source shape), ``b`` is (B, *target shape).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.energy.kernels import Convolution
from ffebm_dsl.physics.energy.ops import Conv2d, CouplingOp, MaxPool2d, WeightedOp, blank
from ffebm_dsl.physics.modules import NamedModules

Routing = tuple[Tensor, ...]
"""One index tensor per max pooling of a chain, in the order of the chain."""


class Coupling(nn.Module):
    """``<op(s_source), s_target>`` between the layers with these indices.

    ``ops`` maps a name to each op, in the order of the chain; an empty chain is the
    identity. ``source == target`` is a lateral coupling.
    """

    def __init__(self, source: int, target: int, ops: NamedModules[CouplingOp]) -> None:
        super().__init__()
        self.source, self.target, self.ops = source, target, ops

    @property
    def routed(self) -> bool:
        """Whether the chain holds a max pooling, so that its adjoint needs a routing."""
        return any(isinstance(op, MaxPool2d) for op in self.ops)

    def forward(self, a: Tensor) -> tuple[Tensor, Routing]:
        """``op(a)`` and the routing that its max poolings took."""
        return _forward(list(self.ops), a)

    def along(self, a: Tensor, routing: Routing) -> Tensor:
        """``op(a)`` with its max poolings made by ``routing``: the frozen chain."""
        return _along(list(self.ops), a, routing)

    def tangent(self, a: Tensor, routing: Routing) -> Tensor:
        """The derivative of ``op`` in direction ``a``: :meth:`along` without the biases."""
        return _along(list(self.ops), a, routing, tangent=True)

    def adjoint(self, b: Tensor, routing: Routing, onto: Tensor | None = None) -> Tensor:
        """``op^T b`` at ``routing``: the field of this coupling on its source layer.

        With ``onto`` the sum of both, in a tensor of its own.
        """
        choices = iter(reversed(routing))
        for op in reversed(self.ops):
            b = op.adjoint(b, next(choices)) if isinstance(op, MaxPool2d) else op.adjoint(b)
        return b if onto is None else onto + b

    def parameter_gradient(self, a: Tensor, b: Tensor, routing: Routing) -> list[Tensor]:
        """``d <along(a), b> / d parameter`` of those that require a gradient, summed over B."""
        ops = list(self.ops)
        with torch.no_grad():
            inputs, cotangents = _entering(ops, a, routing), _leaving(ops, b, routing)
            return _gradients(ops, inputs, cotangents, cotangents)

    def mixed_gradient(
        self, a: Tensor, b: Tensor, moved: tuple[Tensor, Tensor], routing: Routing
    ) -> list[Tensor]:
        """The same of ``<along(a), db> + <tangent(da), b>``, with ``moved = (da, db)``."""
        ops = list(self.ops)
        with torch.no_grad():
            inputs, cotangents = _entering(ops, a, routing), _leaving(ops, moved[1], routing)
            others = _entering(ops, moved[0], routing, tangent=True)
            back = _leaving(ops, b, routing)
            return _gradients(
                ops,
                {k: torch.cat([inputs[k], others[k]]) for k in inputs},
                {k: torch.cat([cotangents[k], back[k]]) for k in cotangents},
                cotangents,
            )

    def prepared(self, batch: int) -> PreparedCoupling:
        """The coupling at its present weights, for the sweeps of ``batch`` samples."""
        return PreparedCoupling(self, batch)


class PreparedCoupling:
    """A coupling for the sweeps of one phase: fixed weights, packed; no graph.

    The convolutions come from :mod:`ffebm_dsl.physics.energy.kernels`. What an adjoint spreads out
    behind a convolution is kept in a buffer that the next adjoint overwrites.
    """

    def __init__(self, coupling: Coupling, batch: int) -> None:
        self.source, self.target = coupling.source, coupling.target
        self.routed = coupling.routed
        self._ops: list[PreparedOp] = [
            op.prepared(batch) if isinstance(op, Conv2d) else op for op in coupling.ops
        ]
        self._buffers: dict[int, Tensor] = {}

    def reused(self) -> PreparedCoupling:
        """The same, packed weights and all, with buffers of its own."""
        other = copy.copy(self)
        other._buffers = {}
        return other

    def forward(self, a: Tensor) -> tuple[Tensor, Routing]:
        return _forward(self._ops, a)

    def along(self, a: Tensor, routing: Routing) -> Tensor:
        return _along(self._ops, a, routing)

    def tangent(self, a: Tensor, routing: Routing) -> Tensor:
        return _along(self._ops, a, routing, tangent=True)

    def adjoint(self, b: Tensor, routing: Routing, onto: Tensor | None = None) -> Tensor:
        choices = iter(reversed(routing))
        for k in reversed(range(len(self._ops))):
            op = self._ops[k]
            if isinstance(op, MaxPool2d):
                b = op.adjoint(b, next(choices), self._buffer(k, op, b))
            elif k == 0 and onto is not None and isinstance(op, Convolution):
                return op.adjoint_onto(b, onto)
            else:
                b = op.adjoint(b)
        return b if onto is None else onto + b

    def _buffer(self, k: int, op: MaxPool2d, like: Tensor) -> Tensor | None:
        """Where op ``k`` puts its adjoint; None where no convolution behind it uses it up."""
        if not any(isinstance(before, Convolution) for before in self._ops[:k]):
            return None
        kept = self._buffers.get(k)
        if kept is None or len(kept) != len(like):
            kept = self._buffers[k] = blank(like, op.in_shape)
        return kept


PreparedOp = CouplingOp | Convolution


def _forward(ops: Sequence[PreparedOp], a: Tensor) -> tuple[Tensor, Routing]:
    routing = []
    for op in ops:
        if isinstance(op, MaxPool2d):
            a, choice = op(a)
            routing.append(choice)
        else:
            a = op(a)
    return a, tuple(routing)


def _along(
    ops: Sequence[PreparedOp], a: Tensor, routing: Routing, *, tangent: bool = False
) -> Tensor:
    choices = iter(routing)
    for op in ops:
        if isinstance(op, MaxPool2d):
            a = op.tangent(a, next(choices))
        else:
            a = op.tangent(a) if tangent else op(a)
    return a


def _entering(
    ops: Sequence[CouplingOp], a: Tensor, routing: Routing, *, tangent: bool = False
) -> dict[int, Tensor]:
    """What enters each op that has weights, as ``a`` enters the chain."""
    inputs: dict[int, Tensor] = {}
    weighted = [k for k, op in enumerate(ops) if isinstance(op, WeightedOp)]
    choices = iter(routing)
    for k in range(max(weighted, default=-1) + 1):
        op = ops[k]
        if k in weighted:
            inputs[k] = a
        if k == weighted[-1]:
            break
        if isinstance(op, MaxPool2d):
            a = op.tangent(a, next(choices))
        else:
            a = op.tangent(a) if tangent else op(a)
    return inputs


def _leaving(ops: Sequence[CouplingOp], b: Tensor, routing: Routing) -> dict[int, Tensor]:
    """The cotangent of what leaves each op that has weights, ``b`` being the chain's."""
    cotangents: dict[int, Tensor] = {}
    weighted = [k for k, op in enumerate(ops) if isinstance(op, WeightedOp)]
    choices = iter(reversed(routing))
    for k in reversed(range(min(weighted, default=len(ops)), len(ops))):
        op = ops[k]
        if k in weighted:
            cotangents[k] = b
        if k == weighted[0]:
            break
        b = op.adjoint(b, next(choices)) if isinstance(op, MaxPool2d) else op.adjoint(b)
    return cotangents


def _gradients(
    ops: Sequence[CouplingOp],
    inputs: dict[int, Tensor],
    cotangents: dict[int, Tensor],
    affine: dict[int, Tensor],
) -> list[Tensor]:
    """The gradients of weights and biases; ``affine`` are the cotangents that biases feel."""
    gradients = []
    for k, op in enumerate(ops):
        if not isinstance(op, WeightedOp):
            continue
        if op.weight.requires_grad:
            gradients.append(op.weight_gradient(inputs[k], cotangents[k]))
        if op.bias is not None and op.bias.requires_grad:
            gradients.append(op.bias_gradient(affine[k]))
    return gradients
