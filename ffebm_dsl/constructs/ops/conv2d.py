"""``conv2d``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._convolution import (
    SLIDING,
    count_macs,
    count_parameters,
    parameters,
    undivided,
)
from ffebm_dsl.constructs.ops._window import KERNEL, PADDING, Window
from ffebm_dsl.language.registry import (
    Arguments,
    Fit,
    Misfit,
    OpConstruct,
    OpIR,
    Shape,
)
from ffebm_dsl.language.registry.shapes import not_an_image
from ffebm_dsl.physics.interfaces import LinearOp, Stencil, Weights

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ffebm_dsl.physics.energy.kernels import Convolution


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    wrong = not_an_image("conv2d", shape)
    if wrong:
        return wrong
    window = Window(*(arguments[name] for name in SLIDING))
    uneven = undivided(arguments, shape)
    if uneven:
        return uneven
    size = window.slide("conv2d", shape)
    if isinstance(size, Misfit):
        return size
    return Fit((arguments["out_channels"], *size), window.note("conv2d", shape))


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
        self._stencil = Stencil(kernel, stride, padding, dilation, groups)
        sides = (self._stencil.places(size) for size in self.in_shape[1:])
        self.out_shape = (out_channels, *sides)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        out = self.out_shape[0]
        s = self._stencil
        shape = (out, self.in_shape[0] // s.groups, s.kernel, s.kernel)
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
        return [self._stencil.unread(size) for size in self.in_shape[1:]]

    def stencil(self) -> Stencil:
        return self._stencil

    def kernel(self, weights: Weights) -> Tensor:
        return weights["weight"]

    def weight_gradient(self, x: Tensor, y: Tensor, weights: Weights) -> dict[str, Tensor]:
        import torch

        _, stride, padding, dilation, groups = self._stencil
        square = [[size] * 2 for size in (stride, padding, dilation)]
        _, gradient, _ = torch.ops.aten.convolution_backward(
            y,
            x,
            weights["weight"],
            None,
            *square,
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
        from torch.nn import functional as F

        _, stride, padding, dilation, groups = self._stencil
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.Conv2d(
        op.in_shape[0],
        op.out_shape[0],
        op.arguments["kernel"],
        stride=op.arguments["stride"],
        padding=op.arguments["padding"],
        dilation=op.arguments["dilation"],
        groups=op.arguments["groups"],
        bias=op.arguments["bias"],
    )


def _coupling(op: OpIR) -> Conv2d:
    own = (*SLIDING, "groups", "bias")
    return Conv2d(op.in_shape, op.out_shape[0], **{name: op.arguments[name] for name in own})


CONSTRUCT = OpConstruct(
    "conv2d",
    "2-d convolution with square kernel, zero padding",
    parameters(KERNEL, PADDING),
    equation="y[o,i,j] = b[o] + sum over c,k,l of w[o,c,k,l] x[c, s i + d k - p, s j + d l - p], "
    "with stride s, dilation d, padding p",
    deviations=("torch.nn.Conv2d also takes rectangular kernels and other paddings than zeros",),
    module=_module,
    coupling=_coupling,
    shape=_shape,
    count_parameters=count_parameters,
    count_macs=count_macs,
    counted="out_channels",
)
