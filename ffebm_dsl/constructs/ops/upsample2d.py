"""``upsample2d``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import (
    Arguments,
    Fit,
    Kind,
    Misfit,
    OpConstruct,
    OpIR,
    Parameter,
    Shape,
)
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE
from ffebm_dsl.language.registry.shapes import not_an_image
from ffebm_dsl.physics.interfaces import LinearOp, Weights

if TYPE_CHECKING:
    from torch import Tensor, nn


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    wrong = not_an_image("upsample2d", shape)
    if wrong is not None:
        return wrong
    factor = arguments["factor"]
    rows, columns = factor * shape[1], factor * shape[2]
    note = f"upsample2d({factor}): {shape[1]} x {shape[2]} -> {rows} x {columns}"
    return Fit((shape[0], rows, columns), note)


class Upsample2d(LinearOp):
    """Every entry ``factor`` times in both directions; the transpose adds these up."""

    def __init__(self, in_shape: Sequence[int], factor: int) -> None:
        channels, rows, columns = in_shape
        self.in_shape, self._factor = (channels, rows, columns), factor
        self.out_shape = (channels, factor * rows, factor * columns)

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        return x.repeat_interleave(self._factor, 2).repeat_interleave(self._factor, 3)

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        _, rows, columns = self.in_shape
        windows = y.unflatten(3, (columns, self._factor)).unflatten(2, (rows, self._factor))
        return windows.sum((3, 5))


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.Upsample(scale_factor=op.arguments["factor"])


CONSTRUCT = OpConstruct(
    "upsample2d",
    "every entry repeated in both directions",
    (Parameter("factor", Kind.INT, "how often", 2, AT_LEAST_ONE),),
    equation="y[c,i,j] = x[c, floor(i / factor), floor(j / factor)]",
    deviations=("torch.nn.Upsample also interpolates",),
    module=_module,
    coupling=lambda op: Upsample2d(op.in_shape, op.arguments["factor"]),
    shape=_shape,
    does_nothing=lambda op: op.arguments["factor"] == 1,
)
