"""The parameter that activations share."""

from ffebm_dsl.language.registry import Kind, Parameter
from ffebm_dsl.language.registry.parameters import Bounds

SLOPE = Parameter(
    "slope", Kind.REAL, "factor a of the argument", 1.0, Bounds(low=0, high=1e6, open_low=True)
)
