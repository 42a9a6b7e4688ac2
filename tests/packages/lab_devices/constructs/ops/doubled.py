"""``doubled``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import OpConstruct, OpIR

if TYPE_CHECKING:
    from torch import nn


def _module(op: OpIR) -> nn.Module:
    from torch import Tensor, nn

    class Doubled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    return Doubled()


CONSTRUCT = OpConstruct("doubled", "twice the input", equation="y = 2 x", module=_module)
