"""``avg_pool1d``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._torch import torch_module
from ffebm_dsl.constructs.ops._window import OverWindows, window_of_one
from ffebm_dsl.constructs.ops._window1d import POOLING, pool_shape
from ffebm_dsl.language.registry import OpConstruct
from ffebm_dsl.physics.interfaces import LinearOp, Weights

if TYPE_CHECKING:
    from torch import Tensor


class AvgPool1d(OverWindows, LinearOp):
    """``avg_pool1d``, zero padding counted."""

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        from torch.nn import functional as F

        return F.avg_pool1d(x, *self._window[:3])


CONSTRUCT = OpConstruct(
    "avg_pool1d",
    "mean of each window of [channels, length], padding counted in",
    POOLING,
    equation="y[c,i] = 1/kernel sum over k of x[c, s i + k - p]",
    module=torch_module("AvgPool1d"),
    coupling=lambda op: AvgPool1d(op.in_shape, **op.arguments),
    shape=pool_shape("avg_pool1d"),
    role="pooling",
    does_nothing=window_of_one,
)
