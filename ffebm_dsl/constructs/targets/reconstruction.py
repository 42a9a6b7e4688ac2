"""``reconstruction(size)``."""

from __future__ import annotations

from typing import Any

from ffebm_dsl.language.registry import Kind, Parameter, TargetConstruct
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE


def _fault(y: Any, size: int) -> tuple[str, str] | None:
    """Whatever targets the data have are not read."""
    return None


def _draw(samples: int, size: int, generator: Any) -> Any:
    import torch

    return torch.randn((samples, size), dtype=torch.float64, generator=generator)


CONSTRUCT = TargetConstruct(
    "reconstruction",
    "the numbers of the input itself, as the network gets them, in row-major order",
    (Parameter("size", Kind.INT, "how many these are", bounds=AT_LEAST_ONE),),
    fault=_fault,
    draw=_draw,
    of_input=True,
)
