"""``linear``."""

from __future__ import annotations

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
from ffebm_dsl.language.registry.shapes import not_a_vector

if TYPE_CHECKING:
    from torch import nn

    from ffebm_dsl.physics.energy import CouplingOp


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    return not_a_vector("linear", shape) or Fit((arguments["out_features"],))


def _parameters(op: OpIR) -> int:
    return op.out_shape[0] * (op.in_shape[0] + op.arguments["bias"])


def _macs(op: OpIR) -> int:
    return op.out_shape[0] * op.in_shape[0]


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.Linear(op.in_shape[0], op.out_shape[0], bias=op.arguments["bias"])


def _coupling(op: OpIR) -> CouplingOp:
    from ffebm_dsl.physics.energy import Linear

    return Linear(op.in_shape, op.out_shape[0], bias=op.arguments["bias"])


CONSTRUCT = OpConstruct(
    "linear",
    "dense map of a vector",
    (
        Parameter("out_features", Kind.INT, "length of the output", bounds=AT_LEAST_ONE),
        Parameter("bias", Kind.BOOL, "learn a bias", True),
    ),
    equation="y = W x + b",
    module=_module,
    coupling=_coupling,
    shape=_shape,
    count_parameters=_parameters,
    count_macs=_macs,
    counted="out_features",
)
