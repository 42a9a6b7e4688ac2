"""``gain``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Kind, OpConstruct, OpIR, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE

if TYPE_CHECKING:
    from torch import nn


def _module(op: OpIR) -> nn.Module:
    from torch import Tensor, nn

    factor: float = op.arguments["factor"]

    class Gain(nn.Module):
        """(B, ...) times a fixed factor."""

        def forward(self, x: Tensor) -> Tensor:
            return factor * x

        def extra_repr(self) -> str:
            return f"{factor:g}"

    return Gain()


CONSTRUCT = OpConstruct(
    "gain",
    "a fixed amplification",
    (Parameter("factor", Kind.REAL, "of every entry", bounds=POSITIVE),),
    equation="y = factor x",
    module=_module,
    does_nothing=lambda op: op.arguments["factor"] == 1,
)
