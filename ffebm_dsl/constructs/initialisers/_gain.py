"""The parameter that initialisers share."""

from ffebm_dsl.language.registry import Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE

GAIN = Parameter("gain", Kind.REAL, "factor of the standard deviation", 1.0, POSITIVE)
