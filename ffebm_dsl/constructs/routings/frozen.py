"""``routing = frozen``."""

from ffebm_dsl.language.registry import Kind, Parameter, RoutingConstruct
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE

CONSTRUCT = RoutingConstruct(
    "frozen",
    "max pooling in couplings keeps its choices after some sweeps",
    (Parameter("after", Kind.INT, "sweeps until the choices stay", 20, NOT_NEGATIVE),),
    freeze_after=lambda arguments: arguments["after"],
)
