"""Composition of linear ops in a chain, where it takes fewer multiplications.

Two convolutions in a row are one convolution with a larger kernel and the product of both
strides: in ``conv2d(kernel=3) |> avg_pool2d(2)`` each output then takes 16 multiplications for
each input channel instead of 4 times 9. Ops that only reshape are merged into the matrix that
follows, which then takes images in the order in which they are stored. A composition equals its
ops in exact arithmetic. Of an op it uses ``LinearOp.stencil`` and ``LinearOp.matrix`` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from ffebm_dsl.physics.interfaces.op import CouplingOp, LinearOp, Stencil, Weights, show_sizes

if TYPE_CHECKING:
    from torch import Tensor


def compositions(ops: Sequence[CouplingOp]) -> list[tuple[int, ...]]:
    """Groups of indices of the ops of a chain; each group is composed into one op."""
    groups: list[tuple[int, ...]] = []
    for k, op in enumerate(ops):
        if groups and _composes([ops[i] for i in groups[-1]], op):
            groups[-1] = (*groups[-1], k)
        else:
            groups.append((k,))
    return groups


class Composed(LinearOp):
    """Several linear ops as one, with the weights of all of them."""

    def __init__(self, ops: Sequence[LinearOp]) -> None:
        self.in_shape, self.out_shape = ops[0].in_shape, ops[-1].out_shape
        self._ops = tuple(ops)

    def stencil(self) -> Stencil | None:
        stencils = [op.stencil() for op in self._ops]
        first = stencils[0]
        for after in stencils[1:]:
            first = None if first is None or after is None else joined(first, after)
        return first

    @property
    def form(self) -> str:
        """A description in words."""
        s = self.stencil()
        if s is None:
            return "a matrix that takes images as they lie in memory"
        parts = (("kernel", s.kernel), ("stride", s.stride), ("padding", s.padding))
        return "one convolution, " + ", ".join(
            f"{name}={show_sizes(value)}" for name, value in parts
        )

    @property
    def macs(self) -> int:
        """Multiplications for one sample."""
        stencil = self.stencil()
        if stencil is None:
            return prod(self.out_shape) * prod(self.in_shape)
        return products(self, self.in_shape[0])

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        from torch.nn import functional as F

        from ffebm_dsl.physics.layout import conv2d

        stencil, weight = self.stencil(), weights["weight"]
        if stencil is None:
            return F.linear(x.flatten(1), weight)
        return conv2d(x, weight, None, stencil.stride, stencil.padding, stencil.dilation, 1)


def _composes(group: Sequence[CouplingOp], op: CouplingOp) -> bool:
    linear = [o for o in group if isinstance(o, LinearOp)]
    if len(linear) < len(group) or not isinstance(op, LinearOp):
        return False
    if all(o.reshapes for o in linear):
        return "weight" in op.weight_shapes() and type(op).matrix is not LinearOp.matrix
    return all(not o.reshapes for o in linear) and _saves(linear, op)


def _saves(group: Sequence[LinearOp], op: LinearOp) -> bool:
    """Whether one convolution replaces ``group`` and ``op`` with fewer multiplications."""
    before, after = Composed(group).stencil(), op.stencil()
    if before is None or after is None or not {"weight"} & set(group[0].weight_shapes()):
        return False
    # Behind padding of its own, the second would see zeros where the first has values.
    grouped = after.groups not in (1, op.in_shape[0]) or op.in_shape[0] % after.groups
    if before.groups != 1 or any(after.padding) or grouped or op.out_shape[0] % after.groups:
        return False
    whole = [*group, op]
    return products(Composed(whole), group[0].in_shape[0]) < sum(
        products(o, o.in_shape[0]) for o in whole
    )


def products(op: LinearOp, channels: int) -> int:
    """Multiplications of a convolution for one sample with this many channels."""
    stencil = op.stencil()
    assert stencil is not None
    return prod(op.out_shape) * channels // stencil.groups * stencil.taps


def joined(first: Stencil, after: Stencil) -> Stencil:
    """The composition of ``first`` and then ``after``, which has no padding."""
    axes = list(zip(first.stride, first.span, after.stride, after.span, strict=True))
    kernel = [stride * (reach - 1) + span for stride, span, _, reach in axes]
    strides = [one * other for one, _, other, _ in axes]
    return Stencil.of(len(axes), kernel, strides, first.padding)
