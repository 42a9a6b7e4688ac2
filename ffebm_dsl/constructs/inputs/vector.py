"""``vector(size)`` as an input."""

from ffebm_dsl.language.registry import Construct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE

CONSTRUCT = Construct(
    "vector",
    "that many numbers",
    (Parameter("size", Kind.INT, "length", bounds=AT_LEAST_ONE),),
)
