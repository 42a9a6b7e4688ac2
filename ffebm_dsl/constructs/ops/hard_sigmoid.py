"""``hard_sigmoid`` as an op of digital maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Kind, OpConstruct, OpIR, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE

if TYPE_CHECKING:
    from torch import nn


def _module(op: OpIR) -> nn.Module:
    from torch import Tensor, nn

    slope: float = op.arguments["slope"]

    class HardSigmoidMap(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (slope * x).clamp(0.0, 1.0)

        def extra_repr(self) -> str:
            return f"slope={slope}"

    return HardSigmoidMap()


CONSTRUCT = OpConstruct(
    "hard_sigmoid",
    "clamp(slope x, 0, 1), not torch's function of that name",
    (Parameter("slope", Kind.REAL, "slope between 0 and 1", 1.0, POSITIVE),),
    equation="y = min(max(slope x, 0), 1)",
    deviations=("torch.nn.Hardsigmoid is clamp(x / 6 + 1/2, 0, 1)",),
    module=_module,
)
