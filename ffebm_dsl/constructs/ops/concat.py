"""``concat``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._join import PORT
from ffebm_dsl.language.registry import Arguments, Fit, Misfit, OpConstruct, OpIR, Shape, show_shape

if TYPE_CHECKING:
    from torch import Tensor, nn


def _shape(arguments: Arguments, shape: Shape, other: Shape) -> Fit | Misfit:
    if len(shape) == len(other) and shape[1:] == other[1:]:
        joined = shape[0] + other[0]
        return Fit((joined, *shape[1:]), f"concat: {shape[0]} + {other[0]} = {joined}")
    return Misfit(
        f"`concat` takes shapes that differ only in their first size, and gets "
        f"{show_shape(shape)} and {show_shape(other)}",
        help="make the other sizes equal with a further map for one of them",
    )


def _concat(x: Tensor, other: Tensor) -> Tensor:
    import torch

    return torch.cat((x, other), dim=1)


def _module(op: OpIR) -> nn.Module:
    from ffebm_dsl.physics.modules import Join

    return Join(_concat)


CONSTRUCT = OpConstruct(
    "concat",
    "concatenation with another port: features, tokens or channels",
    (PORT,),
    equation="y[i] = x[i] for i below the first size of x, then port",
    module=_module,
    shape=_shape,
    joins=True,
)
