"""``sigmoid``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import OpConstruct, OpIR

if TYPE_CHECKING:
    from torch import nn


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.Sigmoid()


CONSTRUCT = OpConstruct(
    "sigmoid",
    "1 / (1 + exp(-a))",
    equation="y = 1 / (1 + exp(-x))",
    module=_module,
)
