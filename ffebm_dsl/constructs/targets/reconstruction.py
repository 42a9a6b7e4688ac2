"""``reconstruction(size)``."""

from __future__ import annotations

from typing import Any

from ffebm_dsl.constructs.targets._arrays import normal_vectors
from ffebm_dsl.language.registry import Kind, Parameter, TargetConstruct
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE


def _fault(y: Any, size: int) -> tuple[str, str] | None:
    """Whatever targets the data have are not read."""
    return None


CONSTRUCT = TargetConstruct(
    "reconstruction",
    "the numbers of the input itself, as the network gets them, in row-major order",
    (Parameter("size", Kind.INT, "how many these are", bounds=AT_LEAST_ONE),),
    fault=_fault,
    draw=normal_vectors,
    of_input=True,
)
