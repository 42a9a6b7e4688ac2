"""The parameter that ops with weights share."""

from ffebm_dsl.language.registry import Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE

GAIN = Parameter("gain", Kind.REAL, "factor of the initial weights", 1.0, POSITIVE)
"""What the spec's initialiser draws is multiplied by it, biases are not."""
