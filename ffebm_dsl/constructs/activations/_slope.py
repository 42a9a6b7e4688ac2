"""The parameter that activations share."""

from ffebm_dsl.language.registry import Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE

SLOPE = Parameter("slope", Kind.REAL, "factor a of the argument", 1.0, POSITIVE)
