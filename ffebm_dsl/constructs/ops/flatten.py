"""``flatten``."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._torch import torch_module
from ffebm_dsl.language.registry import Arguments, Fit, Misfit, OpConstruct, Shape
from ffebm_dsl.physics.interfaces import LinearOp, Weights

if TYPE_CHECKING:
    from torch import Tensor


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    return Fit((prod(shape),), f"flatten: {'*'.join(map(str, shape))} = {prod(shape)}")


class Flatten(LinearOp):
    """``flatten``: (B, C, H, W) to (B, C H W)."""

    reshapes = True

    def __init__(self, in_shape: Sequence[int]) -> None:
        self.in_shape = tuple(in_shape)
        self.out_shape = (prod(self.in_shape),)

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        return x.flatten(1)

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        return y.reshape(y.shape[0], *self.in_shape)


CONSTRUCT = OpConstruct(
    "flatten",
    "all entries of a sample as one vector",
    equation="y[(c H + i) W + j] = x[c,i,j]",
    module=torch_module("Flatten"),
    coupling=lambda op: Flatten(op.in_shape),
    shape=_shape,
    does_nothing=lambda op: len(op.in_shape) == 1,
)
