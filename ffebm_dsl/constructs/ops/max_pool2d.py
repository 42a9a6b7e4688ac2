"""``max_pool2d``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.ops._window import POOLING, pool_shape, window_of_one
from ffebm_dsl.language.registry import OpConstruct, OpIR

if TYPE_CHECKING:
    from torch import nn

    from ffebm_dsl.physics.energy import CouplingOp


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.MaxPool2d(
        op.arguments["kernel"], stride=op.arguments["stride"], padding=op.arguments["padding"]
    )


def _coupling(op: OpIR) -> CouplingOp:
    from ffebm_dsl.physics.energy import MaxPool2d

    return MaxPool2d(op.in_shape, **op.arguments)


CONSTRUCT = OpConstruct(
    "max_pool2d",
    "largest entry of each window",
    POOLING,
    equation="y[c,i,j] = max over k,l of x[c, s i + k - p, s j + l - p]",
    deviations=(
        "in a coupling the choice of each window follows the forward pass of the state, or is "
        "frozen by `routing`; the adjoint sends each value back to the chosen entry",
    ),
    module=_module,
    coupling=_coupling,
    shape=pool_shape("max_pool2d"),
    role="pooling",
    does_nothing=window_of_one,
)
