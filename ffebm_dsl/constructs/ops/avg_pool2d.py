"""``avg_pool2d``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._window import POOLING, pool_shape, window_of_one
from ffebm_dsl.language.registry import OpConstruct, OpIR

if TYPE_CHECKING:
    from torch import nn

    from ffebm_dsl.physics.energy import CouplingOp


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.AvgPool2d(
        op.arguments["kernel"], stride=op.arguments["stride"], padding=op.arguments["padding"]
    )


def _coupling(op: OpIR) -> CouplingOp:
    from ffebm_dsl.physics.energy import AvgPool2d

    return AvgPool2d(op.in_shape, **op.arguments)


CONSTRUCT = OpConstruct(
    "avg_pool2d",
    "mean of each window, padding counted in",
    POOLING,
    equation="y[c,i,j] = 1/kernel^2 sum over k,l of x[c, s i + k - p, s j + l - p]",
    module=_module,
    coupling=_coupling,
    shape=pool_shape("avg_pool2d"),
    role="pooling",
    does_nothing=window_of_one,
)
