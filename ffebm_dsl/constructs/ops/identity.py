"""``identity``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import OpConstruct, OpIR
from ffebm_dsl.physics.interfaces import LinearOp, Weights

if TYPE_CHECKING:
    from torch import Tensor, nn


class Identical(LinearOp):
    """``identity``: the layers are coupled unit by unit."""

    def __init__(self, in_shape: Sequence[int]) -> None:
        self.in_shape = self.out_shape = tuple(in_shape)

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        return x

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        return y


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.Identity()


def _coupling(op: OpIR) -> Identical:
    return Identical(op.in_shape)


CONSTRUCT = OpConstruct(
    "identity",
    "the input as it is",
    equation="y = x",
    module=_module,
    coupling=_coupling,
    does_nothing=lambda op: True,
)
