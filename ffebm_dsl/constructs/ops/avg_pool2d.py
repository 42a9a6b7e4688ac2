"""``avg_pool2d``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._torch import torch_module
from ffebm_dsl.constructs.ops._window import POOLING, OverWindows, pool_shape, window_of_one
from ffebm_dsl.language.registry import OpConstruct
from ffebm_dsl.physics.interfaces import BoundOp, LinearOp, Stencil, Weights

if TYPE_CHECKING:
    from torch import Tensor


class AvgPool2d(OverWindows, LinearOp):
    """``avg_pool2d``, zero padding counted."""

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        import torch

        return torch.ops.aten.avg_pool2d(x, *self._window[:3])

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        import torch

        from ffebm_dsl.physics.layout import blank

        like = blank(y, self.in_shape)
        return torch.ops.aten.avg_pool2d_backward(y, like, *self._window[:3], False, True, None)

    def packed(self, weights: Weights, batch: int) -> BoundOp:
        window = self._window
        apart = window.stride == window.kernel and not any(window.padding)
        return _WindowsApart(self, window) if apart else super().packed(weights, batch)

    def stencil(self) -> Stencil:
        return self._window

    def kernel(self, weights: Weights) -> Tensor:
        import torch

        window = self._window
        shape = (self.in_shape[0], 1, *window.kernel)
        return torch.full(shape, 1 / window.taps, dtype=torch.float64)


class _WindowsApart(BoundOp):
    """Average pooling with disjoint windows."""

    def __init__(self, op: AvgPool2d, window: Stencil) -> None:
        super().__init__(op, {})
        self._window = window

    def adjoint_onto(self, y: Tensor, base: Tensor) -> Tensor:
        # Every entry of y is added to a window of its own: nothing need be filled or spread out.
        (height, width), (rows, columns) = self._window.kernel, y.shape[2:]
        total = base.clone()
        windows = total[:, :, : height * rows, : width * columns].unflatten(3, (columns, width))
        spread = windows.unflatten(2, (rows, height))
        spread.add_(y[:, :, :, None, :, None], alpha=1 / self._window.taps)
        return total


CONSTRUCT = OpConstruct(
    "avg_pool2d",
    "mean of each window, padding counted in",
    POOLING,
    equation="y[c,i,j] = 1/window sum over k,l of x[c, s i + k - p, s j + l - p]",
    module=torch_module("AvgPool2d"),
    coupling=lambda op: AvgPool2d(op.in_shape, **op.arguments),
    shape=pool_shape("avg_pool2d"),
    role="pooling",
    does_nothing=window_of_one,
)
