"""The parameter that schedules in steps share."""

from ffebm_dsl.language.registry import Kind, Parameter
from ffebm_dsl.language.registry.parameters import Bounds

GAMMA = Parameter("gamma", Kind.REAL, "the factor", 0.1, Bounds(low=0, high=10, open_low=True))
"""Its powers are rates of single precision."""
