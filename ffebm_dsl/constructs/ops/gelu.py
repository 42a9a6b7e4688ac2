"""``gelu``."""

from ffebm_dsl.constructs.ops._torch import torch_module
from ffebm_dsl.language.registry import OpConstruct

CONSTRUCT = OpConstruct(
    "gelu",
    "a times the normal distribution function of a",
    equation="y = x Phi(x), Phi the distribution function of the standard normal",
    source="Hendrycks and Gimpel 2016, arXiv 1606.08415",
    deviations=("the exact function, not its tanh approximation",),
    module=torch_module("GELU"),
)
