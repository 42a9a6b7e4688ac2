"""``probabilities(size)``."""

from __future__ import annotations

from typing import Any

from ffebm_dsl.constructs.targets._arrays import described, first_outside, is_vectors
from ffebm_dsl.language.registry import Bounds, Kind, Parameter, TargetConstruct

ROUNDING = 1e-3
"""How far from 1 the probabilities of a sample may add up to, as stored in float16."""


def _fault(y: Any, size: int) -> tuple[str, str] | None:
    import numpy as np

    if not is_vectors(y, size):
        return described(y), f"give an array of float32 or float64 and shape [{len(y)}, {size}]"
    bad = first_outside(y, 0, 1)
    if bad is not None:
        return f"holds {y[bad]} at index {list(bad)}", "a probability is from 0 to 1"
    sums = y.sum(1, dtype=np.float64)
    row = first_outside(sums, 1 - ROUNDING, 1 + ROUNDING)
    if row is None:
        return None
    text = f"holds probabilities that add up to {sums[row]:g} at index {row[0]}"
    return text, "let those of each sample add up to 1"


def _draw(samples: int, size: int, generator: Any) -> Any:
    import torch

    return torch.randn((samples, size), dtype=torch.float64, generator=generator).softmax(1)


CONSTRUCT = TargetConstruct(
    "probabilities",
    "a probability for each of so many classes: soft labels",
    (Parameter("size", Kind.INT, "number of classes", bounds=Bounds(low=2)),),
    fault=_fault,
    draw=_draw,
    mixture="probabilities",
)
