"""``image(channels, height, width)``."""

from ffebm_dsl.language.registry import Construct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE

CONSTRUCT = Construct(
    "image",
    "channels x height x width",
    (
        Parameter("channels", Kind.INT, "number of channels", bounds=AT_LEAST_ONE),
        Parameter("height", Kind.INT, "rows", bounds=AT_LEAST_ONE),
        Parameter("width", Kind.INT, "columns", bounds=AT_LEAST_ONE),
    ),
)
