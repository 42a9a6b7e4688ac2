"""``relu``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import OpConstruct, OpIR

if TYPE_CHECKING:
    from torch import nn


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.ReLU()


CONSTRUCT = OpConstruct(
    "relu",
    "max(a, 0)",
    equation="y = max(x, 0)",
    source="Nair and Hinton 2010 (ICML)",
    module=_module,
)
