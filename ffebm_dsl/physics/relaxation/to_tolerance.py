"""Samples of relaxations to a tolerance.

The samples under way are *rows* of a batch that may shrink. When a sample ends, its state is set
aside; its row is still swept, without effect, until the rows are gathered. How a sample ended is
determined only then.

The residual is not measured after every sweep: the next test is half-way to where the fastest
sample would meet the tolerance if it kept contracting at the same rate, at most an eighth of the
sweeps made so far later, and every one of the last ``WATCHED`` sweeps is tested. A sample thus ends
with the first sweep that meets the tolerance, unless that is beyond the tenth and its residual
dropped suddenly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ffebm_dsl.physics.interfaces import Relaxation, Solution, Status
from ffebm_dsl.physics.layout import squared_norm, take_rows
from ffebm_dsl.physics.relaxation.samples import GROWTH, RECURRENCE, Samples, ratio

WATCHED = 64
"""At most so many of the last sweeps, and no more than half of them, are watched for cycles."""

SELDOM = 8
"""Between two tests there are at most one sweep and this part of those made."""

GATHER_BELOW = 0.5
"""The rows are gathered when no more than this part of them is still under way."""


class _Part(NamedTuple):
    """Samples that ended together: their indices in the batch, sweeps, and results."""

    samples: Tensor
    sweeps: int
    residual: Tensor
    size: Tensor
    cycling: Tensor | None
    states: list[Tensor]

    def select(self, rows: Tensor) -> _Part:
        """Those of these rows alone."""
        return _Part(
            self.samples[rows],
            self.sweeps,
            self.residual[rows],
            self.size[rows],
            None if self.cycling is None else self.cycling[rows],
            [take_rows(s, rows) for s in self.states],
        )


class ToTolerance(Samples):
    """The samples of one relaxation to a tolerance."""

    def __init__(
        self, state: Sequence[Tensor], settings: Relaxation, *, may_grow: bool = False
    ) -> None:
        super().__init__(state, settings, may_grow=may_grow)
        self._watch_from = max(settings.sweeps // 2, settings.sweeps - WATCHED)
        self._next, self._last = 2, (1, 1.0)  # a test; of the one before: sweep, least residual
        self._rows = torch.arange(len(state[0]), device=state[0].device)
        self._ended: Tensor | None = None  # of the rows; None: none has
        self._cycling: Tensor | None = None
        self._snapshot: list[Tensor] = []
        self._parts: list[_Part] = []
        self._midway: Tensor | None = None  # squared norms

    def due(self, sweep: int) -> bool:
        first = min(self._next, self._watch_from + 1, self.settings.sweeps)
        return sweep >= first or sweep == self.middle

    def passed(self, sweep: int, states: list[Tensor]) -> None:
        """Sweeps that are not measured are not kept."""

    def observe(self, sweep: int, states: list[Tensor], change: Tensor) -> None:
        size = squared_norm(states)
        residual = ratio(change, size)
        if sweep == self.middle and not self.may_grow:
            self._midway = size
        if sweep > self._watch_from:
            self._watch_for_cycles(sweep - self._watch_from, states, residual, size)
        going = residual.masked_fill(size >= self.bound, torch.nan)
        if self._ended is not None:
            going.masked_fill_(self._ended, torch.inf)
        least, tolerance = float(going.min()), self.settings.tolerance
        last = sweep == self.settings.sweeps
        if last and self._midway is not None:
            size = size.masked_fill(size > GROWTH**2 * self._midway, torch.inf)
        if least >= tolerance and not last:
            self._plan(sweep, least)
            return
        self._next, self._last = sweep + 1, (sweep, math.nan)
        now = _Part(self._rows, sweep, residual, size, self._cycling, list(states))
        if not last:  # a sample has converged or diverged
            self._let_go(~(going >= tolerance), now)
        elif self._ended is not None:
            self._let_go(~self._ended, now)
        else:  # all end here, and no index of them need be found
            self.left = 0
            self._parts.append(now)

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
        for part in self._parts:
            states = [
                s.index_copy(0, part.samples, e) for s, e in zip(states, part.states, strict=True)
            ]
        return states

    @property
    def any_apart(self) -> bool:
        return len(self._parts) > 1 or (self.left > 0 and bool(self._parts))

    def solution(self, states: list[Tensor]) -> Solution:
        parts, first = self._parts, self._parts[0]
        status = [self._status(part.residual, part.size, part.cycling) for part in parts]
        sweeps = [
            s.new_full(s.shape, p.sweeps, dtype=torch.int64)
            for s, p in zip(status, parts, strict=True)
        ]
        if len(parts) == 1:
            return Solution(first.states, first.residual, sweeps[0], status[0])
        place = torch.cat([part.samples for part in parts]).argsort()
        layers = zip(*(part.states for part in parts), strict=True)
        return Solution(
            [take_rows(torch.cat(layer), place) for layer in layers],
            torch.cat([part.residual for part in parts])[place],
            torch.cat(sweeps)[place],
            torch.cat(status)[place],
        )

    def _plan(self, sweep: int, least: float) -> None:
        """Choose the next test: half-way to the predicted convergence of the fastest sample."""
        before, then = self._last
        self._next, self._last = sweep + 1, (sweep, least)
        if then > least:
            left = math.log(least / self.settings.tolerance) / math.log(then / least)
            self._next += min(int(left * (sweep - before) / 2), sweep // SELDOM)

    def _let_go(self, which: Tensor, now: _Part) -> None:
        """End the rows of the mask ``which``, (rows,), of all rows as they are now."""
        rows = which.nonzero().squeeze(1)
        self.left -= len(rows)
        self._ended = which if self._ended is None else self._ended | which
        self._parts.append(now if len(rows) == len(which) else now.select(rows))

    def _status(self, residual: Tensor, size: Tensor, cycling: Tensor | None) -> Tensor:
        """The statuses of samples, (samples,) int8."""
        status = torch.full_like(residual, Status.EXHAUSTED, dtype=torch.int8)
        if cycling is not None:
            status.masked_fill_(cycling, int(Status.CYCLING))
        status.masked_fill_(residual < self.settings.tolerance, int(Status.CONVERGED))
        return status.masked_fill_(~self.fine(residual, size), int(Status.DIVERGED))

    def _watch_for_cycles(
        self, late: int, states: list[Tensor], residual: Tensor, size: Tensor
    ) -> None:
        """Find cycles by Brent's method over the last sweeps.

        The state is compared with a snapshot that is replaced after 1, 2, 4, ... of them.
        """
        if self._snapshot:
            apart = squared_norm([s - old for s, old in zip(states, self._snapshot, strict=True)])
            near = (RECURRENCE * residual).clamp_max(self.settings.tolerance)
            back = (ratio(apart, size) < near) & (residual >= self.settings.tolerance)
            self._cycling = back if self._cycling is None else self._cycling | back
        if late & (late - 1) == 0:
            self._snapshot = list(states)
