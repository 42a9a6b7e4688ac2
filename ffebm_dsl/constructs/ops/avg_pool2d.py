"""``avg_pool2d``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._window import POOLING, Window, pool_shape, pooled, window_of_one
from ffebm_dsl.language.registry import OpConstruct, OpIR
from ffebm_dsl.physics.interfaces import BoundOp, LinearOp, Stencil, Weights

if TYPE_CHECKING:
    from torch import Tensor, nn


class AvgPool2d(LinearOp):
    """``avg_pool2d``, zero padding counted."""

    def __init__(
        self, in_shape: Sequence[int], kernel: int, *, stride: int, padding: int = 0
    ) -> None:
        self._window = Window(kernel, stride, padding)
        self.in_shape, self.out_shape = tuple(in_shape), pooled(in_shape, self._window)

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        import torch

        return torch.ops.aten.avg_pool2d(x, *self._window.square)

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        import torch

        from ffebm_dsl.physics.layout import blank

        like = blank(y, self.in_shape)
        return torch.ops.aten.avg_pool2d_backward(y, like, *self._window.square, False, True, None)

    def packed(self, weights: Weights, batch: int) -> BoundOp:
        k, stride, padding, _ = self._window
        apart = stride == k and padding == 0
        return _WindowsApart(self, k) if apart else super().packed(weights, batch)

    def stencil(self) -> Stencil:
        k, stride, padding, _ = self._window
        return Stencil(k, stride, padding, groups=self.in_shape[0])

    def kernel(self, weights: Weights) -> Tensor:
        import torch

        k = self._window.kernel
        return torch.full((self.in_shape[0], 1, k, k), 1 / k**2, dtype=torch.float64)


class _WindowsApart(BoundOp):
    """Average pooling where no two windows meet."""

    def __init__(self, op: AvgPool2d, kernel: int) -> None:
        super().__init__(op, {})
        self._kernel = kernel

    def adjoint_onto(self, y: Tensor, base: Tensor) -> Tensor:
        # Every entry of y is added to a window of its own: nothing need be filled or spread out.
        k, (rows, columns) = self._kernel, y.shape[2:]
        total = base.clone()
        windows = total[:, :, : k * rows, : k * columns].unflatten(3, (columns, k))
        windows.unflatten(2, (rows, k)).add_(y[:, :, :, None, :, None], alpha=1 / k**2)
        return total


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.AvgPool2d(
        op.arguments["kernel"], stride=op.arguments["stride"], padding=op.arguments["padding"]
    )


def _coupling(op: OpIR) -> AvgPool2d:
    return AvgPool2d(op.in_shape, **op.arguments)


CONSTRUCT = OpConstruct(
    "avg_pool2d",
    "mean of each window, padding counted in",
    POOLING,
    equation="y[c,i,j] = 1/kernel^2 sum over k,l of x[c, s i + k - p, s j + l - p]",
    module=_module,
    coupling=_coupling,
    shape=pool_shape("avg_pool2d"),
    role="pooling",
    does_nothing=window_of_one,
)
