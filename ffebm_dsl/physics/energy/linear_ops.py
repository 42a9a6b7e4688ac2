"""The ops of couplings that come with ffebm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ffebm_dsl.physics.energy.kernels import Convolution, Geometry, convolution
from ffebm_dsl.physics.energy.ops import LinearOp, RoutedOp, Weights
from ffebm_dsl.physics.layout import blank


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
        self.in_shape, self.biased = tuple(in_shape), bias
        self.kernel, self.stride, self.padding = kernel, stride, padding
        self.dilation, self.groups = dilation, groups
        reach = dilation * (kernel - 1) + 1 - 2 * padding
        sizes = self.in_shape[1:]
        self.out_shape = (out_channels, *((size - reach) // stride + 1 for size in sizes))
        # Rows and columns that a strided convolution never reads: its transpose must restore them.
        self.unread = tuple((size - reach) % stride for size in sizes)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        out = self.out_shape[0]
        shape = (out, self.in_shape[0] // self.groups, self.kernel, self.kernel)
        return {"weight": shape, "bias": (out,)} if self.biased else {"weight": shape}

    def forward(self, x: Tensor, weights: Weights) -> Tensor:
        return self._convolve(x, weights["weight"], weights.get("bias"))

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        return self._convolve(x, weights["weight"], None)

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        return F.conv_transpose2d(
            y,
            weights["weight"],
            None,
            self.stride,
            self.padding,
            self.unread,
            self.groups,
            self.dilation,
        )

    def weight_gradient(self, x: Tensor, y: Tensor, weights: Weights) -> dict[str, Tensor]:
        square = [[size] * 2 for size in (self.stride, self.padding, self.dilation)]
        _, gradient, _ = torch.ops.aten.convolution_backward(
            y,
            x,
            weights["weight"],
            None,
            *square,
            False,
            [0, 0],
            self.groups,
            [False, True, False],
        )
        return {"weight": gradient}

    def packed(self, weights: Weights, batch: int) -> Convolution:
        geometry = Geometry(self.stride, self.padding, self.dilation, self.groups, self.unread)
        return convolution(self, weights, geometry, batch)

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)


class Linear(LinearOp):
    """``linear``; weight (out, in), bias (out,)."""

    def __init__(self, in_shape: Sequence[int], out_features: int, *, bias: bool = True) -> None:
        self.in_shape, self.out_shape, self.biased = tuple(in_shape), (out_features,), bias

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        shape = (self.out_shape[0], self.in_shape[0])
        return {"weight": shape, "bias": self.out_shape} if self.biased else {"weight": shape}

    def forward(self, x: Tensor, weights: Weights) -> Tensor:
        return F.linear(x, weights["weight"], weights.get("bias"))

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        return F.linear(x, weights["weight"])

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        return F.linear(y, weights["weight"].t())

    def weight_gradient(self, x: Tensor, y: Tensor, weights: Weights) -> dict[str, Tensor]:
        return {"weight": y.t() @ x}


def _pooled(shape: Sequence[int], window: _Window) -> tuple[int, ...]:
    k, s, p = window.kernel, window.stride, window.padding
    return (shape[0], *((size + 2 * p - k) // s + 1 for size in shape[1:]))


@dataclass(frozen=True)
class _Window:
    kernel: int
    stride: int
    padding: int

    @property
    def square(self) -> tuple[list[int], list[int], list[int]]:
        return [self.kernel] * 2, [self.stride] * 2, [self.padding] * 2


class AvgPool2d(LinearOp):
    """``avg_pool2d``, zero padding counted."""

    def __init__(
        self, in_shape: Sequence[int], kernel: int, *, stride: int, padding: int = 0
    ) -> None:
        self._window = _Window(kernel, stride, padding)
        self.in_shape, self.out_shape = tuple(in_shape), _pooled(in_shape, self._window)

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        return torch.ops.aten.avg_pool2d(x, *self._window.square)

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        like = blank(y, self.in_shape)
        return torch.ops.aten.avg_pool2d_backward(y, like, *self._window.square, False, True, None)


class Flatten(LinearOp):
    """``flatten``: (B, C, H, W) to (B, C H W)."""

    def __init__(self, in_shape: Sequence[int]) -> None:
        self.in_shape = tuple(in_shape)
        self.out_shape = (torch.Size(self.in_shape).numel(),)

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        return x.flatten(1)

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        return y.reshape(len(y), *self.in_shape)


class Identical(LinearOp):
    """``identity``: the layers are coupled unit by unit."""

    def __init__(self, in_shape: Sequence[int]) -> None:
        self.in_shape = self.out_shape = tuple(in_shape)

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        return x

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        return y


class MaxPool2d(RoutedOp):
    """``max_pool2d``; its routing is the flat index of each maximum in its input plane."""

    def __init__(
        self, in_shape: Sequence[int], kernel: int, *, stride: int, padding: int = 0
    ) -> None:
        self._window = _Window(kernel, stride, padding)
        self.in_shape, self.out_shape = tuple(in_shape), _pooled(in_shape, self._window)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ops.aten.max_pool2d_with_indices(x, *self._window.square)

    def tangent(self, x: Tensor, routing: Tensor) -> Tensor:
        return x.flatten(2).gather(2, routing.flatten(2)).view_as(routing)

    def adjoint(self, y: Tensor, routing: Tensor, out: Tensor | None = None) -> Tensor:
        window = *self._window.square, [1, 1], False
        if out is None:
            like = blank(y, self.in_shape)
            return torch.ops.aten.max_pool2d_with_indices_backward(y, like, *window, routing)
        return torch.ops.aten.max_pool2d_with_indices_backward.grad_input(
            y, out, *window, routing, grad_input=out
        )
