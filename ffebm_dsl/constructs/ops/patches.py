"""``patches``."""

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
    wrong = not_an_image("patches", shape)
    if wrong is not None:
        return wrong
    (channels, height, width), size = shape, int(arguments["size"])
    if height % size or width % size:
        return Misfit(
            f"patches of {size} x {size} do not fill an image of {height} x {width}",
            f"choose a size that divides {height} and {width}",
        )
    down, across = height // size, width // size
    note = f"patches: {height}/{size} * {width}/{size} = {down * across} tokens"
    return Fit((down * across, channels * size * size), note)


class Patches(LinearOp):
    """(B, C, H, W) to (B, tokens, C size size), row by row of patches."""

    def __init__(self, in_shape: Sequence[int], size: int) -> None:
        channels, height, width = in_shape
        self.in_shape, self.size = (channels, height, width), size
        self.grid = (height // size, width // size)
        self.out_shape = (self.grid[0] * self.grid[1], channels * size * size)

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        (down, across), size = self.grid, self.size
        # The batch alone is inferred: an exported graph leaves its size open.
        parts = x.reshape(-1, self.in_shape[0], down, size, across, size)
        return parts.permute(0, 2, 4, 1, 3, 5).reshape(-1, *self.out_shape)

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        (down, across), size = self.grid, self.size
        parts = y.reshape(-1, down, across, self.in_shape[0], size, size)
        return parts.permute(0, 3, 1, 4, 2, 5).reshape(-1, *self.in_shape)


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    cut = _coupling(op)

    class CutIntoPatches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return cut.tangent(x, {})

    return CutIntoPatches()


def _coupling(op: OpIR) -> Patches:
    return Patches(op.in_shape, op.arguments["size"])


CONSTRUCT = OpConstruct(
    "patches",
    "an image cut into square patches, each of them a token of [tokens, features]",
    (Parameter("size", Kind.INT, "height and width of a patch", 2, AT_LEAST_ONE),),
    equation="y[i (W / size) + j, (c size + k) size + l] = x[c, i size + k, j size + l]",
    module=_module,
    coupling=_coupling,
    shape=_shape,
)
