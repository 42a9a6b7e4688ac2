"""``tanh``."""

from ffebm_dsl.constructs.ops._torch import torch_module
from ffebm_dsl.language.registry import OpConstruct

CONSTRUCT = OpConstruct(
    "tanh",
    "hyperbolic tangent",
    equation="y = tanh(x)",
    module=torch_module("Tanh"),
)
