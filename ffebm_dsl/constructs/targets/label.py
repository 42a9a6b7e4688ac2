"""``label(size)``."""

from __future__ import annotations

from typing import Any

from ffebm_dsl.constructs.targets._arrays import described, first_outside
from ffebm_dsl.language.registry import Bounds, Kind, Parameter, TargetConstruct


def _fault(y: Any, size: int) -> tuple[str, str] | None:
    if y.ndim != 1 or y.dtype.kind not in "iu":
        return described(y), "give integer labels, one number per sample"
    bad = first_outside(y, 0, size - 1)
    if bad is None:
        return None
    help = f"labels count from 0 to {size - 1}; change the labels or the spec"
    return f"holds the label {y[bad]} at index {bad[0]}", help


def _draw(samples: int, size: int, generator: Any) -> Any:
    import torch

    return torch.randint(0, size, (samples,), generator=generator)


CONSTRUCT = TargetConstruct(
    "label",
    "a class index from 0 to size - 1",
    (Parameter("size", Kind.INT, "number of classes", bounds=Bounds(low=2)),),
    fault=_fault,
    draw=_draw,
    mixture="probabilities",
    classes=True,
)
