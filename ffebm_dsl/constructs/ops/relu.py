"""``relu``."""

from ffebm_dsl.constructs.ops._torch import torch_module
from ffebm_dsl.language.registry import OpConstruct

CONSTRUCT = OpConstruct(
    "relu",
    "max(a, 0)",
    equation="y = max(x, 0)",
    source="Nair and Hinton 2010 (ICML)",
    module=torch_module("ReLU"),
)
