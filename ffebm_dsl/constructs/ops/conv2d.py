"""``conv2d``."""

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
from ffebm_dsl.constructs.ops._window import KERNEL, PADDING, note, slide
from ffebm_dsl.language.registry import Arguments, Fit, Misfit, OpConstruct, OpIR, Shape
from ffebm_dsl.language.registry.shapes import not_an_image
from ffebm_dsl.physics.interfaces import LinearOp, Stencil, Weights

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ffebm_dsl.physics.energy.kernels import Convolution


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    wrong = not_an_image("conv2d", shape) or undivided(arguments, shape)
    if wrong:
        return wrong
    window = stencil(arguments, shape)
    size = slide("conv2d", window, shape)
    if isinstance(size, Misfit):
        return size
    return Fit((arguments["out_channels"], *size), note("conv2d", window, shape))


class Conv2d(LinearOp):
    """``conv2d``; weight (out, in / groups, *kernel), bias (out,).

    Kernel, stride, padding and dilation are one number, or one each for rows and columns.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        out_channels: int,
        kernel: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        self.in_shape, self.biased = tuple(in_shape), bias
        self._stencil = Stencil.of(2, kernel, stride, padding, dilation, groups)
        self.out_shape = (out_channels, *self._stencil.places(self.in_shape[1:]))

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        out = self.out_shape[0]
        s = self._stencil
        shape = (out, self.in_shape[0] // s.groups, *s.kernel)
        return {"weight": shape, "bias": (out,)} if self.biased else {"weight": shape}

    def forward(self, x: Tensor, weights: Weights) -> Tensor:
        return self._convolve(x, weights["weight"], weights.get("bias"))

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        return self._convolve(x, weights["weight"], None)

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        from torch.nn import functional as F

        _, stride, padding, dilation, groups = self._stencil
        return F.conv_transpose2d(
            y, weights["weight"], None, stride, padding, self._unread, groups, dilation
        )

    @property
    def _unread(self) -> list[int]:
        return self._stencil.unread(self.in_shape[1:])

    def stencil(self) -> Stencil:
        return self._stencil

    def kernel(self, weights: Weights) -> Tensor:
        return weights["weight"]

    def weight_gradient(self, x: Tensor, y: Tensor, weights: Weights) -> dict[str, Tensor]:
        import torch

        _, stride, padding, dilation, groups = self._stencil
        _, gradient, _ = torch.ops.aten.convolution_backward(
            y,
            x,
            weights["weight"],
            None,
            stride,
            padding,
            dilation,
            False,
            [0, 0],
            groups,
            [False, True, False],
        )
        return {"weight": gradient}

    def packed(self, weights: Weights, batch: int) -> Convolution:
        from ffebm_dsl.physics.energy.kernels import convolution

        return convolution(self, weights, self._stencil, batch)

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        from ffebm_dsl.physics.layout import conv2d

        _, stride, padding, dilation, groups = self._stencil
        return conv2d(x, weight, bias, stride, padding, dilation, groups)


def _module(op: OpIR) -> nn.Module:
    from ffebm_dsl.physics.modules import ImageConvolution

    settings = {name: op.arguments[name] for name in (*SLIDING[1:], "groups", "bias")}
    return ImageConvolution(op.in_shape[0], op.out_shape[0], op.arguments["kernel"], **settings)


def _coupling(op: OpIR) -> Conv2d:
    own = (*SLIDING, "groups", "bias")
    return Conv2d(op.in_shape, op.out_shape[0], **{name: op.arguments[name] for name in own})


CONSTRUCT = OpConstruct(
    "conv2d",
    "2-d convolution, zero padding",
    parameters(KERNEL, PADDING),
    equation="y[o,i,j] = b[o] + sum over c,k,l of w[o,c,k,l] x[c, s i + d k - p, s j + d l - p], "
    "with stride s, dilation d, padding p, each one number or [rows, columns]",
    deviations=("torch.nn.Conv2d also takes other paddings than zeros",),
    module=_module,
    coupling=_coupling,
    shape=_shape,
    count_parameters=count_parameters,
    count_macs=count_macs,
    counted="out_channels",
)
