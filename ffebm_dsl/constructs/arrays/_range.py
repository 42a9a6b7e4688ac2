"""Shared parts of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Kind, Parameter
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE, POSITIVE
from ffebm_dsl.physics.interfaces import Numbers

if TYPE_CHECKING:
    from torch import Tensor

RANGE = Parameter(
    "range",
    Kind.REAL,
    "largest weight that can be stored; auto: the largest of the tensor, so that none is clipped",
    "auto",
    POSITIVE,
    choices=("auto",),
)

TRANSPOSE = Parameter(
    "transpose_mismatch",
    Kind.REAL,
    "standard deviation of the relative error of each weight in the backward direction, fixed",
    0.0,
    NOT_NEGATIVE,
)


def number_or_none(value: float | str, word: str) -> float | None:
    """The value of an argument that may be a word instead; then None."""
    return None if value == word else float(value)


def limit(weight: Tensor, stated: float | None) -> Tensor:
    """The largest weight that can be held, 0-dim and above 0."""
    import torch

    if stated is not None:
        return weight.new_tensor(stated)
    return weight.abs().max().clamp_min(torch.finfo(weight.dtype).tiny)


def rescaled(held: Tensor, deviation: float, numbers: Numbers) -> Tensor:
    """The weights of the way back."""
    return held * (1 + deviation * numbers.fixed("transpose")) if deviation > 0 else held
