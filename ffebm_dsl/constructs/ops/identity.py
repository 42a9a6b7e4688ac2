"""``identity``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._torch import torch_module
from ffebm_dsl.language.registry import OpConstruct
from ffebm_dsl.physics.interfaces import LinearOp, Weights

if TYPE_CHECKING:
    from torch import Tensor


class Identical(LinearOp):
    """``identity``: the layers are coupled unit by unit."""

    def __init__(self, in_shape: Sequence[int]) -> None:
        self.in_shape = self.out_shape = tuple(in_shape)

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        return x

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        return y


CONSTRUCT = OpConstruct(
    "identity",
    "the input as it is",
    equation="y = x",
    module=torch_module("Identity"),
    coupling=lambda op: Identical(op.in_shape),
    does_nothing=lambda op: True,
)
