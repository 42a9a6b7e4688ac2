"""``avg_pool2d``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._window import POOLING, Window, pool_shape, pooled, window_of_one
from ffebm_dsl.language.registry import OpConstruct, OpIR
from ffebm_dsl.physics.interfaces import LinearOp, Weights

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
