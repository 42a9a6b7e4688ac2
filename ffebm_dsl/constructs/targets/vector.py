"""``vector(size)`` as a target."""

from __future__ import annotations

from typing import Any

from ffebm_dsl.constructs.targets._arrays import described, is_vectors, normal_vectors
from ffebm_dsl.language.registry import Kind, Parameter, TargetConstruct
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE


def _fault(y: Any, size: int) -> tuple[str, str] | None:
    if is_vectors(y, size):
        return None
    return described(y), f"give an array of float32 or float64 and shape [{len(y)}, {size}]"


CONSTRUCT = TargetConstruct(
    "vector",
    "that many numbers",
    (Parameter("size", Kind.INT, "length", bounds=AT_LEAST_ONE),),
    fault=_fault,
    draw=normal_vectors,
)
