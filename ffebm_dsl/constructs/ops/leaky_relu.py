"""``leaky_relu``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Kind, OpConstruct, OpIR, Parameter
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE

if TYPE_CHECKING:
    from torch import nn


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.LeakyReLU(op.arguments["negative_slope"])


CONSTRUCT = OpConstruct(
    "leaky_relu",
    "x where x is positive, else x times a small slope",
    (Parameter("negative_slope", Kind.REAL, "slope below 0", 0.01, NOT_NEGATIVE),),
    equation="y = max(x, 0) + negative_slope min(x, 0)",
    source="Maas, Hannun and Ng 2013 (ICML workshop on deep learning for audio, speech and "
    "language processing)",
    module=_module,
)
