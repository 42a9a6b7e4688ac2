"""``leaky_relu``."""

from ffebm_dsl.constructs.ops._torch import torch_module
from ffebm_dsl.language.registry import Kind, OpConstruct, Parameter
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE

CONSTRUCT = OpConstruct(
    "leaky_relu",
    "x where x is positive, else x times a small slope",
    (Parameter("negative_slope", Kind.REAL, "slope below 0", 0.01, NOT_NEGATIVE),),
    equation="y = max(x, 0) + negative_slope min(x, 0)",
    source="Maas, Hannun and Ng 2013 (ICML workshop on deep learning for audio, speech and "
    "language processing)",
    module=torch_module("LeakyReLU"),
)
