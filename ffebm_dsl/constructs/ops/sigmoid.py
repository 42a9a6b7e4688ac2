"""``sigmoid``."""

from ffebm_dsl.constructs.ops._torch import torch_module
from ffebm_dsl.language.registry import OpConstruct

CONSTRUCT = OpConstruct(
    "sigmoid",
    "1 / (1 + exp(-a))",
    equation="y = 1 / (1 + exp(-x))",
    module=torch_module("Sigmoid"),
)
