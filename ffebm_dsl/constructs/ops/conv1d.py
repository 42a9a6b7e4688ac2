"""``conv1d``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._convolution import (
    SLIDING,
    count_macs,
    count_parameters,
    parameters,
    stencil,
    undivided,
)
from ffebm_dsl.constructs.ops._window import slide
from ffebm_dsl.constructs.ops._window1d import KERNEL, PADDING, not_a_sequence
from ffebm_dsl.language.registry import Arguments, Fit, Misfit, OpConstruct, OpIR, Shape
from ffebm_dsl.physics.interfaces import LinearOp, Stencil, Weights

if TYPE_CHECKING:
    from torch import Tensor, nn


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    wrong = not_a_sequence("conv1d", shape) or undivided(arguments, shape)
    if wrong:
        return wrong
    size = slide("conv1d", stencil(arguments, shape), shape)
    if isinstance(size, Misfit):
        return size
    return Fit((arguments["out_channels"], *size), f"conv1d: {shape[1]} -> {size[0]}")


class Conv1d(LinearOp):
    """``conv1d``; weight (out, in / groups, k), bias (out,)."""

    def __init__(
        self, in_shape: Sequence[int], out_channels: int, window: Stencil, *, bias: bool
    ) -> None:
        self.in_shape, self.biased, self._sliding = tuple(in_shape), bias, window
        self.out_shape = (out_channels, *window.places(self.in_shape[1:]))

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        out, s = self.out_shape[0], self._sliding
        shape = (out, self.in_shape[0] // s.groups, *s.kernel)
        return {"weight": shape, "bias": (out,)} if self.biased else {"weight": shape}

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        from torch.nn import functional as F

        _, stride, padding, dilation, groups = self._sliding
        return F.conv1d(x, weights["weight"], None, stride, padding, dilation, groups)

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        from torch.nn import functional as F

        _, stride, padding, dilation, groups = self._sliding
        unread = self._sliding.unread(self.in_shape[1:])
        return F.conv_transpose1d(
            y, weights["weight"], None, stride, padding, unread, groups, dilation
        )


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    settings = {name: op.arguments[name] for name in (*SLIDING[1:], "groups", "bias")}
    return nn.Conv1d(op.in_shape[0], op.out_shape[0], op.arguments["kernel"], **settings)


def _coupling(op: OpIR) -> Conv1d:
    window = stencil(op.arguments, op.in_shape)
    return Conv1d(op.in_shape, op.out_shape[0], window, bias=op.arguments["bias"])


CONSTRUCT = OpConstruct(
    "conv1d",
    "1-d convolution of [channels, length], zero padding",
    parameters(KERNEL, PADDING),
    equation="y[o,i] = b[o] + sum over c,k of w[o,c,k] x[c, s i + d k - p], with stride s, "
    "dilation d, padding p",
    deviations=("torch.nn.Conv1d also takes other paddings than zeros",),
    module=_module,
    coupling=_coupling,
    shape=_shape,
    count_parameters=count_parameters,
    count_macs=count_macs,
    counted="out_channels",
)
