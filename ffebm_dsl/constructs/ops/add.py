"""``add``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._join import PORT
from ffebm_dsl.language.registry import Arguments, Fit, Misfit, OpConstruct, OpIR, Shape, show_shape

if TYPE_CHECKING:
    from torch import nn


def _shape(arguments: Arguments, shape: Shape, other: Shape) -> Fit | Misfit:
    if shape == other:
        return Fit(shape)
    return Misfit(
        f"`add` takes two tensors of the same shape, and gets {show_shape(shape)} and "
        f"{show_shape(other)}",
        help="give both the same shape with a further map for one of them",
    )


def _module(op: OpIR) -> nn.Module:
    import torch

    from ffebm_dsl.physics.modules import Join

    return Join(torch.add)


CONSTRUCT = OpConstruct(
    "add",
    "sum with another port",
    (PORT,),
    equation="y = x + port",
    module=_module,
    shape=_shape,
    joins=True,
)
