"""Shared parts of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Kind, Parameter
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE, POSITIVE
from ffebm_dsl.physics.interfaces import Array, Numbers

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


@dataclass(frozen=True)
class RangedArray(Array):
    """An array that holds weights up to ``range``, or up to the largest of the tensor if that is
    None, with errors of its own on the way back."""

    range: float | None
    transpose_mismatch: float

    def limit(self, weight: Tensor) -> Tensor:
        """The largest weight that can be held, 0-dim and above 0."""
        import torch

        if self.range is not None:
            return weight.new_tensor(self.range)
        return weight.abs().max().clamp_min(torch.finfo(weight.dtype).tiny)

    def transposed(self, held: Tensor, numbers: Numbers) -> Tensor:
        if not self.asymmetric:
            return held
        return held * (1 + self.transpose_mismatch * numbers.fixed("transpose"))

    @property
    def asymmetric(self) -> bool:
        return self.transpose_mismatch > 0
