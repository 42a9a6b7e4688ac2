"""What is known of each sample while its relaxation runs.

The samples under way are *rows* of a batch that may shrink. A sample that comes to its end
is set aside with its state; its row goes on being swept, to no effect, until the rows are
gathered. So nothing is masked in a sweep, and nothing waits for the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ffebm_dsl.physics.interfaces import Relaxation, Solution, Status
from ffebm_dsl.physics.layout import per_row, squared_norm, take_rows

DIVERGED_RMS = 1e8
"""A state whose root mean square exceeds this has diverged; activations of order one do not."""

GROWTH = 4.0
"""A state whose norm grew by more than this over the second half of its sweeps diverges. From
rest, a sweep that contracts no more than doubles it there, and one that does not grows it by
``rate ** (sweeps / 2) + 1``."""

RECURRENCE = 0.1
"""A state nearer to an earlier one than this fraction of its last step is back there."""

SUSTAINED = 0.9
"""A step that is still this fraction of the one midway does not die out."""

CYCLE_SIZE = 1e-3
"""With tolerance 0, the relative change from which coming back is a cycle and not rounding."""

GATHER_BELOW = 0.75
"""The rows are gathered when no more than this part of them is still under way."""

DEVICE_SWEEPS = 8
"""Sweeps between two looks at how many samples are left, where looking means waiting."""


@dataclass
class _Ledger:
    """One entry per row, (rows,) each."""

    residual: Tensor
    sweeps: Tensor
    status: Tensor
    cycling: Tensor
    ended: Tensor
    middle: Tensor
    middle_step: Tensor

    def take(self, rows: Tensor) -> _Ledger:
        return _Ledger(*(getattr(self, f.name)[rows] for f in fields(self)))

    def put(self, rows: Tensor, part: _Ledger) -> None:
        for f in fields(self):
            getattr(self, f.name)[rows] = getattr(part, f.name)


class Samples:
    """The samples of one relaxation: how far each is, and the states of those that ended."""

    def __init__(self, state: Sequence[Tensor], settings: Relaxation) -> None:
        like, batch = state[0], len(state[0])
        flags = torch.zeros(batch, dtype=torch.bool, device=like.device)
        self._settings = settings
        self._waits = like.device.type != "cpu"
        self._now = _Ledger(
            residual=torch.full((batch,), torch.nan, dtype=like.dtype, device=like.device),
            sweeps=torch.full((batch,), settings.sweeps, device=like.device),
            status=torch.full((batch,), Status.EXHAUSTED, dtype=torch.int8, device=like.device),
            cycling=flags,
            ended=flags,
            middle=torch.full((batch,), torch.inf, dtype=like.dtype, device=like.device),
            middle_step=torch.full((batch,), torch.inf, dtype=like.dtype, device=like.device),
        )
        self._aside: list[Tensor] | None = None
        self._snapshot: list[Tensor] | None = None
        self._rows: Tensor | None = None
        self._whole: tuple[_Ledger, list[Tensor]] | None = None

    @property
    def any_aside(self) -> bool:
        """Whether a sample may have ended before the last sweep."""
        return self._aside is not None

    def observe(self, sweep: int, states: list[Tensor], change: Tensor) -> None:
        """Take note of a sweep; ``change`` is the squared change per row."""
        now, settings = self._now, self._settings
        tolerance = settings.tolerance
        size = squared_norm(states)
        residual = _ratio(change, size)
        count = sum(s[0].numel() for s in states)
        now.residual = torch.where(now.ended, now.residual, residual)
        running = ~now.ended & (now.status != Status.DIVERGED)
        diverged = running & ~((residual < torch.inf) & (size < count * DIVERGED_RMS**2))
        converged = running & ~diverged & (residual < tolerance)
        ended = diverged | converged
        now.status = torch.where(diverged, Status.DIVERGED, now.status)
        now.status = torch.where(converged, Status.CONVERGED, now.status)
        now.sweeps = torch.where(ended, sweep, now.sweeps)
        if sweep == settings.middle:
            now.middle, now.middle_step = size, change
        if sweep == settings.sweeps:
            self._judge_growth(size, len(states), now.ended | ended)
        if tolerance > 0:
            self._watch_for_cycles(sweep, states, residual, size)
            self._set_aside(ended, states)
            now.ended = now.ended | ended
        elif sweep == settings.sweeps and self._snapshot is not None:
            self._watch_for_swings(states, change, residual)

    def remember(self, states: Sequence[Tensor]) -> None:
        """Keep the states of two sweeps before the end, for a look at whether they come back."""
        self._snapshot = [s.detach() for s in states]

    def left(self, sweep: int) -> int | None:
        """How many rows are under way after ``sweep``; None where it is not time to ask."""
        if self._waits and sweep % DEVICE_SWEEPS:
            return None
        return int((~self._now.ended).sum())

    def gather(self, states: list[Tensor]) -> Tensor:
        """Drop the rows that ended; the indices of those kept, among the rows until now."""
        self._flush(states)
        keep = (~self._now.ended).nonzero().squeeze(1)
        self._rows = keep if self._rows is None else self._rows[keep]
        self._now, self._aside = self._now.take(keep), None
        if self._snapshot is not None:
            self._snapshot = [take_rows(s, keep) for s in self._snapshot]
        return keep

    def merged(self, states: list[Tensor]) -> list[Tensor]:
        """The present rows' states, those that ended as they were set aside."""
        if self._aside is None:
            return states
        return [
            torch.where(per_row(self._now.ended, s), old, s)
            for old, s in zip(self._aside, states, strict=True)
        ]

    def solution(self, states: list[Tensor]) -> Solution:
        if self._rows is None:
            ledger, states = self._now, self.merged(states)
        else:
            self._flush(states)
            assert self._whole is not None
            ledger, states = self._whole
        exhausted = ledger.status == Status.EXHAUSTED
        status = torch.where(exhausted & ledger.cycling, Status.CYCLING, ledger.status)
        return Solution(states, ledger.residual, ledger.sweeps, status.to(torch.int8))

    def _set_aside(self, ended: Tensor, states: list[Tensor]) -> None:
        if not self._waits and not bool(ended.any()):
            return
        old = states if self._aside is None else self._aside
        self._aside = [
            torch.where(per_row(ended, s), s, aside) for aside, s in zip(old, states, strict=True)
        ]

    def _flush(self, states: list[Tensor]) -> None:
        """Enter the present rows into the results of the whole batch."""
        states = self.merged(states)
        if self._rows is None or self._whole is None:
            everyone = torch.arange(len(states[0]), device=states[0].device)
            self._whole = (self._now.take(everyone), [s.clone() for s in states])
            return
        ledger, whole = self._whole
        ledger.put(self._rows, self._now)
        for mine, s in zip(whole, states, strict=True):
            mine[self._rows] = s

    def _judge_growth(self, size: Tensor, layers: int, ended: Tensor) -> None:
        """A state that still grows has diverged; early on it only fills, layer after layer."""
        if layers <= self._settings.middle:
            grown = (size > GROWTH**2 * self._now.middle) & ~ended
            self._now.status = torch.where(grown, Status.DIVERGED, self._now.status)

    def _watch_for_swings(self, states: list[Tensor], change: Tensor, residual: Tensor) -> None:
        """With tolerance 0 one look at the end: a swing between two states that does not die out.

        The last step goes back where the one before came from, and is about as large as
        the one midway.
        """
        assert self._snapshot is not None
        back = squared_norm(
            [s.detach() - old for s, old in zip(states, self._snapshot, strict=True)]
        )
        near = back < RECURRENCE**2 * change
        lasting = change > SUSTAINED**2 * self._now.middle_step
        self._now.cycling = near & lasting & (residual > CYCLE_SIZE)

    def _watch_for_cycles(
        self, sweep: int, states: list[Tensor], residual: Tensor, size: Tensor
    ) -> None:
        """Brent's method over the second half of the sweeps: a cycle at the end is one there.

        The state is compared with a snapshot that is replaced after 1, 2, 4, ... sweeps.
        """
        late = sweep - self._settings.sweeps // 2
        if late <= 0:
            return
        if self._snapshot is not None:
            apart = squared_norm([s - old for s, old in zip(states, self._snapshot, strict=True)])
            distance = _ratio(apart, size)
            near = (RECURRENCE * residual).clamp_max(self._settings.tolerance)
            back = (distance < near) & (residual >= self._settings.tolerance)
            self._now.cycling = self._now.cycling | back
        if late & (late - 1) == 0:
            self._snapshot = list(states)


def relative(change: Tensor, states: Sequence[Tensor]) -> Tensor:
    """The relative change per row, (rows,), of its square ``change``."""
    return _ratio(change, squared_norm(states))


def _ratio(change: Tensor, size: Tensor) -> Tensor:
    return change.sqrt() / size.sqrt().clamp_min(torch.finfo(size.dtype).tiny)
