"""``tanh``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import OpConstruct, OpIR

if TYPE_CHECKING:
    from torch import nn


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.Tanh()


CONSTRUCT = OpConstruct(
    "tanh",
    "hyperbolic tangent",
    equation="y = tanh(x)",
    module=_module,
)
