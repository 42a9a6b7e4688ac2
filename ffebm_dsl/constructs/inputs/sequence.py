"""``sequence(channels, length)``."""

from ffebm_dsl.language.registry import Construct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE

CONSTRUCT = Construct(
    "sequence",
    "channels x length, such as a time series",
    (
        Parameter("channels", Kind.INT, "number of channels", bounds=AT_LEAST_ONE),
        Parameter("length", Kind.INT, "number of places", bounds=AT_LEAST_ONE),
    ),
)
