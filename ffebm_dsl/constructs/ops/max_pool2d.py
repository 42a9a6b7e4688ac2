"""``max_pool2d``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._torch import torch_module
from ffebm_dsl.constructs.ops._window import POOLING, OverWindows, pool_shape, window_of_one
from ffebm_dsl.language.registry import OpConstruct
from ffebm_dsl.physics.interfaces import RoutedOp

if TYPE_CHECKING:
    from torch import Tensor


class MaxPool2d(OverWindows, RoutedOp):
    """``max_pool2d``; its routing is the flat index of each maximum in its input plane."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        import torch

        return torch.ops.aten.max_pool2d_with_indices(x, *self._window[:3])

    def tangent(self, x: Tensor, routing: Tensor) -> Tensor:
        return x.flatten(2).gather(2, routing.flatten(2)).view_as(routing)

    def adjoint(self, y: Tensor, routing: Tensor, out: Tensor | None = None) -> Tensor:
        import torch

        from ffebm_dsl.physics.layout import blank

        window = *self._window[:4], False
        if out is None:
            like = blank(y, self.in_shape)
            return torch.ops.aten.max_pool2d_with_indices_backward(y, like, *window, routing)
        return torch.ops.aten.max_pool2d_with_indices_backward.grad_input(
            y, out, *window, routing, grad_input=out
        )


CONSTRUCT = OpConstruct(
    "max_pool2d",
    "largest entry of each window",
    POOLING,
    equation="y[c,i,j] = max over k,l of x[c, s i + k - p, s j + l - p]",
    deviations=(
        "in a coupling the choice of each window follows the forward pass of the state, or is "
        "frozen by `routing`; the adjoint sends each value back to the chosen entry",
    ),
    module=torch_module("MaxPool2d"),
    coupling=lambda op: MaxPool2d(op.in_shape, **op.arguments),
    shape=pool_shape("max_pool2d"),
    role="pooling",
    does_nothing=window_of_one,
    routed=True,
)
