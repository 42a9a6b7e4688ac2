"""``silu``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import OpConstruct, OpIR

if TYPE_CHECKING:
    from torch import nn


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.SiLU()


CONSTRUCT = OpConstruct(
    "silu",
    "a sigmoid(a)",
    equation="y = x / (1 + exp(-x))",
    source="Elfwing, Uchibe and Doya 2018, arXiv 1702.03118",
    module=_module,
)
