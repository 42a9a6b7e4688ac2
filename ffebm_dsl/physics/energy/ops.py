"""The ops that a coupling's chain may hold: linear maps, and max poolings.

A linear op has an adjoint; a max pooling has one once its choice of inputs, its *routing*,
is fixed. Everything here remains differentiable where a graph is asked for. What a phase
without a graph runs instead are the op's *prepared* forms
(:mod:`ffebm_dsl.physics.energy.kernels`).

Shapes: ``x`` is (B, *in_shape), ``y`` is (B, *out_shape).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ffebm_dsl.physics.energy.kernels import Convolution, Geometry, convolution


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


class WeightedOp(LinearOp):
    """A linear op with a weight, and a bias or none."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    def weight_gradient(self, x: Tensor, y: Tensor) -> Tensor:
        """``d <tangent(x), y> / d weight``, summed over the batch."""
        raise NotImplementedError

    def bias_gradient(self, y: Tensor) -> Tensor:
        """``d <forward(x), y> / d bias``, summed over the batch."""
        return y.sum([0, *range(2, y.dim())])


class Conv2d(WeightedOp):
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

    def prepared(self, batch: int) -> Convolution:
        """The convolution on the present weights, for phases of ``batch`` samples."""
        return convolution(self.weight, self.bias, self._geometry, self.in_shape, batch)

    def forward(self, x: Tensor) -> Tensor:
        return self._convolve(x, self.bias)

    def tangent(self, x: Tensor) -> Tensor:
        return self._convolve(x, None)

    def adjoint(self, y: Tensor) -> Tensor:
        return F.conv_transpose2d(
            y, self.weight, None, self.stride, self.padding, self.unread, self.groups, self.dilation
        )

    def weight_gradient(self, x: Tensor, y: Tensor) -> Tensor:
        square = [[size] * 2 for size in (self.stride, self.padding, self.dilation)]
        _, gradient, _ = torch.ops.aten.convolution_backward(
            y, x, self.weight, None, *square, False, [0, 0], self.groups, [False, True, False]
        )
        return gradient

    @property
    def _geometry(self) -> Geometry:
        return Geometry(self.stride, self.padding, self.dilation, self.groups, self.unread)

    def _convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(x, self.weight, bias, self.stride, self.padding, self.dilation, self.groups)


class Linear(WeightedOp):
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

    def weight_gradient(self, x: Tensor, y: Tensor) -> Tensor:
        return y.t() @ x


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
        like = blank(y, self.in_shape)
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

    def adjoint(self, y: Tensor, routing: Tensor, out: Tensor | None = None) -> Tensor:
        """``y`` put where ``routing`` says; into ``out``, (B, *in_shape), if given."""
        if out is None:
            like = blank(y, self.in_shape)
            return torch.ops.aten.max_pool2d_with_indices_backward(
                y, like, self.kernel, self.stride, self.padding, [1, 1], False, routing
            )
        return torch.ops.aten.max_pool2d_with_indices_backward.grad_input(
            y, out, self.kernel, self.stride, self.padding, [1, 1], False, routing, grad_input=out
        )


CouplingOp = LinearOp | MaxPool2d


def blank(like: Tensor, shape: Sequence[int]) -> Tensor:
    """An uninitialised (B, *shape) of the batch, dtype, device and memory layout of ``like``."""
    last = torch.channels_last
    images = like.dim() == 4 and len(shape) == 3 and not like.is_contiguous()
    return torch.empty(
        (len(like), *shape),
        dtype=like.dtype,
        device=like.device,
        memory_format=last
        if images and like.is_contiguous(memory_format=last)
        else torch.contiguous_format,
    )
