"""``max_pool1d``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._torch import torch_module
from ffebm_dsl.constructs.ops._window import OverWindows, window_of_one
from ffebm_dsl.constructs.ops._window1d import POOLING, pool_shape
from ffebm_dsl.language.registry import OpConstruct
from ffebm_dsl.physics.interfaces import RoutedOp

if TYPE_CHECKING:
    from torch import Tensor


class MaxPool1d(OverWindows, RoutedOp):
    """``max_pool1d``; its routing is the index of each maximum in its input channel."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        from torch.nn import functional as F

        return F.max_pool1d_with_indices(x, *self._window[:3])

    def tangent(self, x: Tensor, routing: Tensor) -> Tensor:
        return x.gather(2, routing)

    def adjoint(self, y: Tensor, routing: Tensor, out: Tensor | None = None) -> Tensor:
        if out is None:
            out = y.new_empty(len(y), *self.in_shape)
        return out.zero_().scatter_add_(2, routing, y)


CONSTRUCT = OpConstruct(
    "max_pool1d",
    "largest entry of each window of [channels, length]",
    POOLING,
    equation="y[c,i] = max over k of x[c, s i + k - p]",
    deviations=(
        "in a coupling the choice of each window follows the forward pass of the state, or is "
        "frozen by `routing`; the adjoint sends each value back to the chosen entry",
    ),
    module=torch_module("MaxPool1d"),
    coupling=lambda op: MaxPool1d(op.in_shape, **op.arguments),
    shape=pool_shape("max_pool1d"),
    role="pooling",
    does_nothing=window_of_one,
    routed=True,
)
