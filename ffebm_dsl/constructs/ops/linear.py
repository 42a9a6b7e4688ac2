"""``linear``."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._weights import DRAWING
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
from ffebm_dsl.language.registry.shapes import not_a_vector
from ffebm_dsl.physics.interfaces import LinearOp, Weights

if TYPE_CHECKING:
    from torch import Tensor, nn


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    if len(shape) == 2:
        return Fit((shape[0], arguments["out_features"]))
    return not_a_vector("linear", shape) or Fit((arguments["out_features"],))


def _parameters(op: OpIR) -> int:
    return op.out_shape[-1] * (op.in_shape[-1] + op.arguments["bias"])


def _macs(op: OpIR) -> int:
    return prod(op.out_shape) * op.in_shape[-1]


class Linear(LinearOp):
    """``linear``; weight (out, in), bias (out,), of a vector or of each token (n, in)."""

    def __init__(self, in_shape: Sequence[int], out_features: int, *, bias: bool = True) -> None:
        self.in_shape, self.biased = tuple(in_shape), bias
        self.out_shape = (*self.in_shape[:-1], out_features)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        shape = (self.out_shape[-1], self.in_shape[-1])
        return {"weight": shape, "bias": shape[:1]} if self.biased else {"weight": shape}

    def forward(self, x: Tensor, weights: Weights) -> Tensor:
        from torch.nn import functional as F

        return F.linear(x, weights["weight"], weights.get("bias"))

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        from torch.nn import functional as F

        return F.linear(x, weights["weight"])

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        from torch.nn import functional as F

        return F.linear(y, weights["weight"].t())

    def matrix(self, weights: Weights) -> Tensor:
        return weights["weight"]

    def weight_gradient(self, x: Tensor, y: Tensor, weights: Weights) -> dict[str, Tensor]:
        return {"weight": y.flatten(0, -2).t() @ x.flatten(0, -2)}

    def bias_gradient(self, y: Tensor) -> Tensor:
        return y.flatten(0, -2).sum(0)


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.Linear(op.in_shape[-1], op.out_shape[-1], bias=op.arguments["bias"])


CONSTRUCT = OpConstruct(
    "linear",
    "dense map of a vector, or of each token of [tokens, features]",
    (
        Parameter("out_features", Kind.INT, "length of the output", bounds=AT_LEAST_ONE),
        Parameter("bias", Kind.BOOL, "learn a bias", True),
        *DRAWING,
    ),
    equation="y = W x + b",
    module=_module,
    coupling=lambda op: Linear(op.in_shape, op.out_shape[-1], bias=op.arguments["bias"]),
    shape=_shape,
    count_parameters=_parameters,
    count_macs=_macs,
    counted="out_features",
)
