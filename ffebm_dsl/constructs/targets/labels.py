"""``labels(size)``."""

from __future__ import annotations

from typing import Any

from ffebm_dsl.constructs.targets._arrays import described, first_outside, is_vectors
from ffebm_dsl.language.registry import Kind, Parameter, TargetConstruct
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE


def _fault(y: Any, size: int) -> tuple[str, str] | None:
    if not is_vectors(y, size, "biuf"):
        return described(y), f"give an array of zeros and ones of shape [{len(y)}, {size}]"
    bad = first_outside(y, 0, 1)
    if bad is None:
        return None
    return f"holds {y[bad]} at index {list(bad)}", "a label is 0 or 1, or a probability between"


def _draw(samples: int, size: int, generator: Any) -> Any:
    import torch

    return torch.randint(0, 2, (samples, size), generator=generator)


CONSTRUCT = TargetConstruct(
    "labels",
    "so many labels, each 1 or 0, that do not exclude each other",
    (Parameter("size", Kind.INT, "number of labels", bounds=AT_LEAST_ONE),),
    fault=_fault,
    draw=_draw,
    mixture="labels",
)
