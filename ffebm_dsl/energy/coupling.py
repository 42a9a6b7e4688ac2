"""Symmetric couplings between two layers: one weight, both ways.

A coupling adds ``<op(a), b>`` to phi. ``op`` is a chain of linear ops and max poolings;
a max pooling is linear once its choice of inputs, here its *routing*, is fixed. So the
field that the coupling exerts is ``op(a)`` on ``b`` and the adjoint ``op^T b``, taken at
the routing of ``a``, on ``a``. Both are computed directly, without an autograd graph
(and remain differentiable where a graph is asked for).

Shapes: ``a`` is (B, *source shape), ``b`` is (B, *target shape).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ffebm_dsl.modules import NamedModules

Routing = tuple[Tensor, ...]
"""One index tensor per max pooling of a chain, in the order of the chain."""


class LinearOp(nn.Module):
    """One linear op of a coupling: ``forward`` is affine, ``tangent`` its linear part.

    ``adjoint`` is the transpose of ``tangent``. Subclasses may add a bias in ``forward``.
    """

    def __init__(self, in_shape: Sequence[int]) -> None:
        super().__init__()
        self.in_shape = tuple(in_shape)

    def forward(self, x: Tensor) -> Tensor:
        return self.tangent(x)

    def tangent(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def adjoint(self, y: Tensor) -> Tensor:
        raise NotImplementedError


class Conv2d(LinearOp):
    """``conv2d`` with square kernels; weight (out, in / groups, k, k), bias (out,)."""

    def __init__(
        self,
        in_shape: Sequence[int],
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(in_shape)
        self.stride, self.padding = stride, padding
        self.dilation, self.groups = dilation, groups
        shape = (out_channels, self.in_shape[0] // groups, kernel, kernel)
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        # Rows and columns that a strided convolution never reads: its transpose must restore them.
        reach = dilation * (kernel - 1) + 1 - 2 * padding
        self.unread = tuple((size - reach) % stride for size in self.in_shape[1:])

    def forward(self, x: Tensor) -> Tensor:
        return self._convolve(x, self.bias)

    def tangent(self, x: Tensor) -> Tensor:
        return self._convolve(x, None)

    def adjoint(self, y: Tensor) -> Tensor:
        return F.conv_transpose2d(
            y, self.weight, None, self.stride, self.padding, self.unread, self.groups, self.dilation
        )

    def _convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(x, self.weight, bias, self.stride, self.padding, self.dilation, self.groups)


class Linear(LinearOp):
    """``linear``; weight (out, in), bias (out,)."""

    def __init__(self, in_shape: Sequence[int], out_features: int, *, bias: bool = True) -> None:
        super().__init__(in_shape)
        self.weight = nn.Parameter(torch.empty(out_features, self.in_shape[0]))
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def tangent(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)

    def adjoint(self, y: Tensor) -> Tensor:
        return F.linear(y, self.weight.t())


class AvgPool2d(LinearOp):
    """``avg_pool2d``, zero padding counted."""

    def __init__(
        self, in_shape: Sequence[int], kernel: int, *, stride: int, padding: int = 0
    ) -> None:
        super().__init__(in_shape)
        self.kernel, self.stride, self.padding = [kernel] * 2, [stride] * 2, [padding] * 2

    def tangent(self, x: Tensor) -> Tensor:
        return torch.ops.aten.avg_pool2d(x, self.kernel, self.stride, self.padding)

    def adjoint(self, y: Tensor) -> Tensor:
        like = y.new_empty(len(y), *self.in_shape)
        return torch.ops.aten.avg_pool2d_backward(
            y, like, self.kernel, self.stride, self.padding, False, True, None
        )


class Flatten(LinearOp):
    """``flatten``: (B, C, H, W) to (B, C H W)."""

    def tangent(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def adjoint(self, y: Tensor) -> Tensor:
        return y.reshape(len(y), *self.in_shape)


class Identical(LinearOp):
    """``identity``: the layers are coupled unit by unit."""

    def tangent(self, x: Tensor) -> Tensor:
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        return y


class MaxPool2d(nn.Module):
    """``max_pool2d``; its routing is the flat index of each maximum in its input plane."""

    def __init__(
        self, in_shape: Sequence[int], kernel: int, *, stride: int, padding: int = 0
    ) -> None:
        super().__init__()
        self.in_shape = tuple(in_shape)
        self.kernel, self.stride, self.padding = [kernel] * 2, [stride] * 2, [padding] * 2

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The pooled tensor and the routing that was taken."""
        return torch.ops.aten.max_pool2d_with_indices(x, self.kernel, self.stride, self.padding)

    def tangent(self, x: Tensor, routing: Tensor) -> Tensor:
        """Pool by a given routing instead of by the maxima of ``x``."""
        return x.flatten(2).gather(2, routing.flatten(2)).view_as(routing)

    def adjoint(self, y: Tensor, routing: Tensor) -> Tensor:
        like = y.new_empty(len(y), *self.in_shape)
        return torch.ops.aten.max_pool2d_with_indices_backward(
            y, like, self.kernel, self.stride, self.padding, [1, 1], False, routing
        )


CouplingOp = LinearOp | MaxPool2d


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
        routing = []
        for op in self.ops:
            if isinstance(op, MaxPool2d):
                a, choice = op(a)
                routing.append(choice)
            else:
                a = op(a)
        return a, tuple(routing)

    def along(self, a: Tensor, routing: Routing) -> Tensor:
        """``op(a)`` with its max poolings made by ``routing``: the frozen chain."""
        choices = iter(routing)
        for op in self.ops:
            a = op.tangent(a, next(choices)) if isinstance(op, MaxPool2d) else op(a)
        return a

    def tangent(self, a: Tensor, routing: Routing) -> Tensor:
        """The derivative of ``op`` in direction ``a``: :meth:`along` without the biases."""
        choices = iter(routing)
        for op in self.ops:
            a = op.tangent(a, next(choices)) if isinstance(op, MaxPool2d) else op.tangent(a)
        return a

    def adjoint(self, b: Tensor, routing: Routing) -> Tensor:
        """``op^T b`` at ``routing``: the field of this coupling on its source layer."""
        choices = iter(reversed(routing))
        for op in reversed(self.ops):
            b = op.adjoint(b, next(choices)) if isinstance(op, MaxPool2d) else op.adjoint(b)
        return b
