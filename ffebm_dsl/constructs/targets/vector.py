"""``vector(size)`` as a target."""

from ffebm_dsl.language.registry import Kind, Parameter, TargetConstruct
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE

CONSTRUCT = TargetConstruct(
    "vector",
    "that many numbers",
    (Parameter("size", Kind.INT, "length", bounds=AT_LEAST_ONE),),
)
