"""``routing = frozen``."""

from ffebm_dsl.language.registry import Construct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE

CONSTRUCT = Construct(
    "frozen",
    "max pooling in couplings keeps its choices after some sweeps",
    (Parameter("after", Kind.INT, "sweeps until the choices stay", 20, NOT_NEGATIVE),),
)
