"""What a relaxation knows of its samples: how each ended, and how far it got.

There are two kinds: relaxations to a tolerance (``to_tolerance``), which samples leave when
they have converged, and those that make all their sweeps (``full_length``).
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
"""A state nearer to an earlier one than this fraction of its last step is back there."""


class Samples(ABC):
    """The samples of one relaxation; its *rows* are those that are still swept."""

    def __init__(
        self, state: Sequence[Tensor], settings: Relaxation, *, periodic: bool = False
    ) -> None:
        self.settings, self.middle = settings, settings.sweeps // 2
        self.bound = sum(s[0].numel() for s in state) * DIVERGED_RMS**2
        """The squared norm from which on a state has diverged."""
        # Angles may go round; and early on a state only fills, layer after layer.
        self.may_grow = periodic or len(state) > self.middle
        self.left = len(state[0])
        """How many samples are under way."""

    @abstractmethod
    def due(self, sweep: int) -> bool:
        """Whether the change that ``sweep`` makes is asked for; counted from 1."""

    @abstractmethod
    def passed(self, sweep: int, states: list[Tensor]) -> None:
        """``states`` are those after ``sweep``."""

    @abstractmethod
    def observe(self, sweep: int, states: list[Tensor], change: Tensor) -> None:
        """Take note of a sweep that was due; ``change`` is the squared change per row."""

    @abstractmethod
    def solution(self, states: list[Tensor]) -> Solution:
        """How all samples ended."""

    @property
    def any_apart(self) -> bool:
        """Whether a sample ended before the others did."""
        return False

    @property
    def gathers(self) -> bool:
        """Whether so few rows are under way that they are worth gathering."""
        return False

    def gather(self) -> Tensor:
        """Drop the rows that ended; the indices of those kept, among the rows until now."""
        raise NotImplementedError("no row has ended")

    def merged(self, states: list[Tensor]) -> list[Tensor]:
        """The states of all rows, those that ended as they were then."""
        return states

    def fine(self, residual: Tensor, size: Tensor) -> Tensor:
        """Which rows, (rows,), are finite and not beyond ``DIVERGED_RMS``."""
        return (residual < torch.inf) & (size < self.bound)


def ratio(change: Tensor, size: Tensor) -> Tensor:
    """The relative change per row, (rows,), of the squares of change and state."""
    return change.sqrt() / size.sqrt().clamp_min(torch.finfo(size.dtype).tiny)
