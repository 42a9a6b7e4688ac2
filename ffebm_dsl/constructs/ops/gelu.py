"""``gelu``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import OpConstruct, OpIR

if TYPE_CHECKING:
    from torch import nn


def _module(op: OpIR) -> nn.Module:
    from torch import nn

    return nn.GELU()


CONSTRUCT = OpConstruct(
    "gelu",
    "a times the normal distribution function of a",
    equation="y = x Phi(x), Phi the distribution function of the standard normal",
    source="Hendrycks and Gimpel 2016, arXiv 1606.08415",
    deviations=("the exact function, not its tanh approximation",),
    module=_module,
)
