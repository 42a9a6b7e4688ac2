"""Samples of relaxations of fixed length, measured midway and at the end.

All samples make all sweeps. The state of two sweeps before the end is kept, to see whether a state
oscillates where the last step is large. To keep more would cost more than to measure: memory that
is used again and again stays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ffebm_dsl.physics.interfaces import Relaxation, Solution, Status
from ffebm_dsl.physics.layout import squared_norm
from ffebm_dsl.physics.relaxation.samples import GROWTH, RECURRENCE, Samples, ratio

SUSTAINED = 0.9
"""A step that is still this fraction of the one midway does not die out."""

CYCLE_SIZE = 1e-3
"""The relative change from which coming back is a cycle and not rounding."""


class FullLength(Samples):
    """The samples of a relaxation with tolerance 0."""

    def __init__(
        self, state: Sequence[Tensor], settings: Relaxation, *, may_grow: bool = False
    ) -> None:
        super().__init__(state, settings, may_grow=may_grow)
        self._sweeps = settings.sweeps
        self._before: list[Tensor] = []  # the states of two sweeps before the end
        self._measured: dict[int, tuple[Tensor, Tensor]] = {}  # by sweep, squared change and size

    def due(self, sweep: int) -> bool:
        return sweep in (self.middle, self._sweeps)

    def passed(self, sweep: int, states: list[Tensor]) -> None:
        """Keep the states to which an oscillation would return."""
        if sweep == self._sweeps - 2:
            self._before = [s.detach() for s in states]

    def observe(self, sweep: int, states: list[Tensor], change: Tensor) -> None:
        self._measured[sweep] = change, squared_norm(states)

    def solution(self, states: list[Tensor]) -> Solution:
        change, size = self._measured[self._sweeps]
        residual = ratio(change, size)
        status = torch.full_like(residual, Status.EXHAUSTED, dtype=torch.int8)
        greatest = float(residual.max())
        if not greatest <= CYCLE_SIZE and 0 < self.middle <= self._sweeps - 2:
            swings = self._swings(states, change) & (residual > CYCLE_SIZE)
            status.masked_fill_(swings, int(Status.CYCLING))
        # What grows by GROWTH in these sweeps grows by so much in one of them.
        least = 1 - GROWTH ** (-1 / max(1, self._sweeps - self.middle))
        if not (greatest <= least / 2 or self.may_grow):
            grown = size > GROWTH**2 * self._measured[self.middle][1]
            status.masked_fill_(grown, int(Status.DIVERGED))
        status.masked_fill_(~self.fine(residual, size), int(Status.DIVERGED))
        sweeps = torch.full_like(status, self._sweeps, dtype=torch.int64)
        return Solution(states, residual, sweeps, status)

    def _swings(self, states: list[Tensor], change: Tensor) -> Tensor:
        """Mask of the rows that oscillate between two states without decay, (rows,).

        The last step returns to where the step before it began, and is about as large as
        the step midway.
        """
        # The smallest layer tells of noise already that it comes back to nothing.
        small = min(range(len(states)), key=lambda i: states[i].numel())
        for layers in (slice(small, small + 1), slice(None)):
            near = _apart(states[layers], self._before[layers]) < RECURRENCE**2 * change
            if not bool(near.any()):
                return near
        return near & (change > SUSTAINED**2 * self._measured[self.middle][0])


def _apart(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """The squared distance per row."""
    return squared_norm([x.detach() - y for x, y in zip(a, b, strict=True)])
