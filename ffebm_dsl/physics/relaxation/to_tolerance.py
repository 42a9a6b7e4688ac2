"""Relaxations to a tolerance: which samples are under way, and how the others ended.

The samples under way are *rows* of a batch that may shrink. A sample that comes to its end
is set aside with its state; its row goes on being swept, to no effect, until the rows are
gathered. While a sample runs, nothing is kept of it but that it does; how it ended is worked
out when it is let go.

Sweeps are tested from the second on where a test is due: half-way to where the fastest sample
would meet the tolerance if it went on contracting as it did, no more than an eighth of the
sweeps made later, and after each of the last ``WATCHED``. So a sample ends with the first sweep
that meets the tolerance, unless it takes more than ten sweeps, the last of them in a sudden fall.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ffebm_dsl.physics.interfaces import Relaxation, Solution, Status
from ffebm_dsl.physics.layout import per_row, squared_norm, take_rows
from ffebm_dsl.physics.relaxation.samples import GROWTH, RECURRENCE, Samples, ratio

WATCHED = 64
"""At most so many of the last sweeps, and no more than half of them, are watched for cycles."""

SELDOM = 8
"""Between two tests there are at most one sweep and this part of those made."""

GATHER_BELOW = 0.5
"""The rows are gathered when no more than this part of them is still under way."""


@dataclass
class _Ends:
    """How the samples of the whole batch ended, (B,) each, and with which states."""

    residual: Tensor
    sweeps: Tensor
    status: Tensor
    states: list[Tensor]


class ToTolerance(Samples):
    """The samples of one relaxation to a tolerance."""

    def __init__(self, state: Sequence[Tensor], settings: Relaxation) -> None:
        super().__init__(state, settings)
        self._watch_from = max(settings.sweeps // 2, settings.sweeps - WATCHED)
        self._next, self._last = 2, (1, 1.0)  # a test; of the one before: sweep, least residual
        self._rows = torch.arange(len(state[0]), device=state[0].device)
        self._ended: Tensor | None = None  # of the rows; None: none has
        self._cycling: Tensor | None = None
        self._snapshot: list[Tensor] = []
        self._ends: _Ends | None = None
        self._apart = False
        self._midway: Tensor | None = None  # squared norms

    def due(self, sweep: int) -> bool:
        first = min(self._next, self._watch_from + 1, self.settings.sweeps)
        return sweep >= first or sweep == self.middle

    def passed(self, sweep: int, states: list[Tensor]) -> None:
        """Nothing is kept of a sweep that was not due."""

    def observe(self, sweep: int, states: list[Tensor], change: Tensor) -> None:
        size = squared_norm(states)
        residual = ratio(change, size)
        if sweep == self.middle and not self.fills:
            self._midway = size
        if sweep > self._watch_from:
            self._watch_for_cycles(sweep - self._watch_from, states, residual, size)
        going = torch.where(size < self.bound, residual, torch.nan)
        if self._ended is not None:
            going = going.masked_fill(self._ended, torch.inf)
        least, tolerance = float(going.min()), self.settings.tolerance
        if sweep == self.settings.sweeps:
            if self._midway is not None:
                size = size.masked_fill(size > GROWTH**2 * self._midway, torch.inf)
            self._let_all_go(sweep, states, residual, size)
        elif least >= tolerance:
            self._plan(sweep, least)
        else:  # a sample has converged or diverged
            self._let_go(~(going >= tolerance), sweep, states, residual, size)
            self._next, self._last = sweep + 1, (sweep, math.nan)

    @property
    def gathers(self) -> bool:
        return self.left <= GATHER_BELOW * len(self._rows)

    def gather(self) -> Tensor:
        assert self._ended is not None
        keep = (~self._ended).nonzero().squeeze(1)
        self._rows, self._ended = self._rows[keep], None
        self._snapshot = [take_rows(s, keep) for s in self._snapshot]
        if self._cycling is not None:
            self._cycling = self._cycling[keep]
        if self._midway is not None:
            self._midway = self._midway[keep]
        return keep

    def merged(self, states: list[Tensor]) -> list[Tensor]:
        if self._ended is None or self._ends is None:
            return states
        return [
            torch.where(per_row(self._ended, s), take_rows(old, self._rows), s)
            for old, s in zip(self._ends.states, states, strict=True)
        ]

    @property
    def any_apart(self) -> bool:
        return self._apart

    def solution(self, states: list[Tensor]) -> Solution:
        ends = self._ends
        assert ends is not None, "the last sweep lets every sample go"
        return Solution(ends.states, ends.residual, ends.sweeps, ends.status)

    def _plan(self, sweep: int, least: float) -> None:
        """When to test next: half-way to where contraction leads the fastest sample."""
        before, then = self._last
        self._next, self._last = sweep + 1, (sweep, least)
        if then > least:
            left = math.log(least / self.settings.tolerance) / math.log(then / least)
            self._next += min(int(left * (sweep - before) / 2), sweep // SELDOM)

    def _let_go(
        self, which: Tensor, sweep: int, states: list[Tensor], residual: Tensor, size: Tensor
    ) -> None:
        """Let the rows ``which`` (rows,) end."""
        count = int(which.sum())
        if count == self.left:
            self._let_all_go(sweep, states, residual, size)
            return
        self._set_aside(which, sweep, states, residual, size)
        self.left -= count

    def _let_all_go(self, sweep: int, states: list[Tensor], residual: Tensor, size: Tensor) -> None:
        self.left = 0
        if self._apart:
            which = torch.ones_like(residual) > 0 if self._ended is None else ~self._ended
            self._set_aside(which, sweep, states, residual, size)
            return
        status = self._status(residual, size)
        sweeps = torch.full_like(status, sweep, dtype=torch.int64)
        self._ends = _Ends(residual, sweeps, status, list(states))

    def _set_aside(
        self, which: Tensor, sweep: int, states: list[Tensor], residual: Tensor, size: Tensor
    ) -> None:
        status = self._status(residual, size)
        self._apart = True
        if self._ends is None:
            sweeps = torch.empty_like(status, dtype=torch.int64)
            whole = [torch.empty_like(s) for s in states]
            self._ends = _Ends(torch.empty_like(residual), sweeps, torch.empty_like(status), whole)
        rows = which.nonzero().squeeze(1)
        at, ends = self._rows[rows], self._ends
        ends.residual[at], ends.status[at], ends.sweeps[at] = residual[rows], status[rows], sweep
        for mine, s in zip(ends.states, states, strict=True):
            mine[at] = take_rows(s, rows)
        self._ended = which if self._ended is None else self._ended | which

    def _status(self, residual: Tensor, size: Tensor) -> Tensor:
        """How rows end that end now, (rows,) int8."""
        status = torch.where(
            residual < self.settings.tolerance, int(Status.CONVERGED), int(Status.EXHAUSTED)
        )
        if self._cycling is not None:
            swing = self._cycling & (status == Status.EXHAUSTED)
            status = status.masked_fill(swing, int(Status.CYCLING))
        return status.masked_fill(~self.fine(residual, size), int(Status.DIVERGED)).to(torch.int8)

    def _watch_for_cycles(
        self, late: int, states: list[Tensor], residual: Tensor, size: Tensor
    ) -> None:
        """Brent's method over the last sweeps: a cycle at the end is one there.

        The state is compared with a snapshot that is replaced after 1, 2, 4, ... of them.
        """
        if self._snapshot:
            apart = squared_norm([s - old for s, old in zip(states, self._snapshot, strict=True)])
            near = (RECURRENCE * residual).clamp_max(self.settings.tolerance)
            back = (ratio(apart, size) < near) & (residual >= self.settings.tolerance)
            self._cycling = back if self._cycling is None else self._cycling | back
        if late & (late - 1) == 0:
            self._snapshot = list(states)
