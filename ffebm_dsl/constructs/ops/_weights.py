"""The parameters that ops with weights share."""

from ffebm_dsl.language.registry import Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE

GAIN = Parameter("gain", Kind.REAL, "factor of the initial weights", 1.0, POSITIVE)
"""What the initialiser draws is multiplied by it, biases are not."""

INIT = Parameter(
    "init",
    Kind.CALL,
    "how the weights are drawn; `inherited`: as the block or the model says",
    "inherited",
    choices=("inherited",),
    table="initialisers",
)

DRAWING = (GAIN, INIT)
"""How the initial weights of an op are drawn."""
