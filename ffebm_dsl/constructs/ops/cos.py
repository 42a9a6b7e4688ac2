"""``cos``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import OpConstruct, OpIR

if TYPE_CHECKING:
    from torch import nn


def _module(op: OpIR) -> nn.Module:
    from torch import Tensor, nn

    class Cos(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.cos()

    return Cos()


CONSTRUCT = OpConstruct(
    "cos",
    "cosine, which reads out an oscillator's angle",
    equation="y = cos(x)",
    module=_module,
)
