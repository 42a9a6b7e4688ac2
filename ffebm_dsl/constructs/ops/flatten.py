"""``flatten``."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, Fit, Misfit, OpConstruct, OpIR, Shape

if TYPE_CHECKING:
    from torch import nn

    from ffebm_dsl.physics.energy import CouplingOp


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    return Fit((prod(shape),), f"flatten: {'*'.join(map(str, shape))} = {prod(shape)}")


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.Flatten()


def _coupling(op: OpIR) -> CouplingOp:
    from ffebm_dsl.physics.energy import Flatten

    return Flatten(op.in_shape)


CONSTRUCT = OpConstruct(
    "flatten",
    "all entries of a sample as one vector",
    equation="y[(c H + i) W + j] = x[c,i,j]",
    module=_module,
    coupling=_coupling,
    shape=_shape,
    does_nothing=lambda op: len(op.in_shape) == 1,
)
