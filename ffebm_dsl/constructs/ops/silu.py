"""``silu``."""

from ffebm_dsl.constructs.ops._torch import torch_module
from ffebm_dsl.language.registry import OpConstruct

CONSTRUCT = OpConstruct(
    "silu",
    "a sigmoid(a)",
    equation="y = x / (1 + exp(-x))",
    source="Elfwing, Uchibe and Doya 2018, arXiv 1702.03118",
    module=torch_module("SiLU"),
)
