"""The samples of a relaxation: which are under way, and how the others ended.

In relaxations to a tolerance (``to_tolerance``) samples end when they have converged; in those
of fixed length (``full_length``) they make all sweeps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from ffebm_dsl.physics.interfaces import Relaxation, Solution

DIVERGED_RMS = 1e8
"""A state whose root mean square exceeds this has diverged; activations of order one do not."""

GROWTH = 4.0
"""A state whose norm grew by more than this over the second half of its sweeps diverges. From
rest, a sweep that contracts no more than doubles it there, and one that does not grows it by
``rate ** (sweeps / 2) + 1``."""

RECURRENCE = 0.1
"""A state closer to an earlier one than this fraction of its last step has returned to it."""


class Samples(ABC):
    """The samples of one relaxation; its *rows* are the samples that are still swept."""

    def __init__(
        self, state: Sequence[Tensor], settings: Relaxation, *, may_grow: bool = False
    ) -> None:
        self.settings, self.middle = settings, settings.sweeps // 2
        self.bound = sum(s[0].numel() for s in state) * DIVERGED_RMS**2
        """The squared norm from which on a state has diverged."""
        # Early on a state only fills, layer after layer.
        self.may_grow = may_grow or len(state) > self.middle
        self.left = len(state[0])
        """The number of samples under way."""

    @abstractmethod
    def due(self, sweep: int) -> bool:
        """Whether the change made by ``sweep``, counted from 1, must be measured."""

    @abstractmethod
    def passed(self, sweep: int, states: list[Tensor]) -> None:
        """Take note of the states after ``sweep``."""

    @abstractmethod
    def observe(self, sweep: int, states: list[Tensor], change: Tensor) -> None:
        """Take note of a sweep that was measured; ``change`` is the squared change per row."""

    @abstractmethod
    def solution(self, states: list[Tensor]) -> Solution:
        """The result for all samples."""

    @property
    def any_apart(self) -> bool:
        """Whether some samples ended before others."""
        return False

    @property
    def gathers(self) -> bool:
        """Whether so few rows are under way that gathering them pays."""
        return False

    def gather(self) -> Tensor:
        """Drop the rows that ended; returns the indices of those kept among the previous rows."""
        raise NotImplementedError("no row has ended")

    def merged(self, states: list[Tensor]) -> list[Tensor]:
        """The states of all samples, with those that ended as they were then."""
        return states

    def fine(self, residual: Tensor, size: Tensor) -> Tensor:
        """Mask of the rows that are finite and within ``DIVERGED_RMS``, (rows,)."""
        return (residual < torch.inf) & (size < self.bound)


def ratio(change: Tensor, size: Tensor) -> Tensor:
    """The relative change per row, (rows,), of the squares of change and state."""
    return change.sqrt() / size.sqrt().clamp_min(torch.finfo(size.dtype).tiny)
