"""Central finite differences along random directions, the reference for all estimators.

A tensor of n entries is probed along ``min(n, count)`` directions: the coordinate axes
where n is small enough, so that no entry is missed; otherwise random vectors of entries
+-1, so that every entry takes part in each.

A central difference across a kink of the loss is not a derivative. A kink within a step is
detected from the loss alone, never from the gradient under test: the one-sided slopes then
differ, and half their difference is the error that one kink causes. Such a probe is repeated with
finer steps and the smoothest is kept; if no step is smooth enough, the probe is set aside. If all
probes are, nothing can be said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

STEP = 1e-6
"""Half the distance of the two evaluations; with losses good to 1e-15 the noise is 1e-9."""

ROUNDING = 1e-14
"""What rounding may do to a loss of order 1, so that a slope is good to this over the step."""

SMOOTH = 1e-4
"""No finer step is tried where ahead and behind differ by at most twice this, relative to the
largest slope of the tensor."""

ADMITTED = 1e-3
"""The same for the smoothest step of a probe, or else it is set aside."""

SHRINKINGS = 3
"""A step is divided by ten at most so often, and while rounding stays below ``ADMITTED``."""


@dataclass(frozen=True)
class Differences:
    """The slopes of a function along the directions in which it is smooth.

    Attributes:
        rows: the directions, (m, *shape) with m at most ``wanted``.
        slopes: (m,) central differences along them.
        wanted: directions asked for.
        set_aside: number of directions with a kink within every step.
        noise: bound of the 2-norm of the error of ``slopes`` by rounding.
    """

    rows: Tensor
    slopes: Tensor
    wanted: int
    set_aside: int
    noise: float

    @property
    def enough(self) -> bool:
        """Whether at least half of the wanted directions were measured."""
        return 2 * len(self.slopes) >= self.wanted


def directions(like: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(m, *shape of ``like``) directions with m = min(count, number of entries)."""
    size = like.numel()
    if size <= count:
        rows = torch.eye(size, dtype=like.dtype)
    else:
        bits = torch.randint(0, 2, (count, size), generator=generator)
        rows = (2 * bits - 1).to(like.dtype)
    return rows.view(-1, *like.shape).to(like.device)


def smooth_differences(
    value: Callable[[Tensor], float],
    start: float,
    rows: Tensor,
    *,
    spare: Callable[[], Iterable[Tensor]] = tuple,
    step: float = STEP,
    floor: float = 0.0,
) -> Differences:
    """Central differences of ``value(offset)`` at offset 0, where ``value`` is smooth.

    Args:
        start: ``value`` at 0.
        rows: (m, *shape), at least one direction.
        spare: further directions, used only if some of ``rows`` are set aside.
        step: the first step tried.
        floor: one-sided slopes that are below this may differ by as much.
    """
    first = [_sides(value, start, row, step) for row in rows]
    scale = max(abs(ahead + behind) / 2 for ahead, behind in first)
    unit, least = (scale, 0.0) if scale > floor else (0.0, floor)
    smooth, admitted = (max(part * unit, least, ROUNDING / step) for part in (SMOOTH, ADMITTED))
    finer = [step / 10**k for k in range(1, SHRINKINGS + 1)]
    finer = [h for h in finer if ROUNDING / h <= admitted]

    def settle(row: Tensor, sides: tuple[float, float]) -> tuple[Tensor, float, float] | None:
        """The row, its slope and the step that was smoothest; None where none is admitted."""
        best = _Slope.of(sides, step)
        for h in finer:
            if best.gap <= smooth:
                break
            best = min(best, _Slope.of(_sides(value, start, row, h), h))
        return (row, best.slope, best.step) if best.gap <= admitted else None

    settled = [settle(row, sides) for row, sides in zip(rows, first, strict=True)]
    if None in settled:
        for row in spare():
            settled.append(settle(row, _sides(value, start, row, step)))
            if sum(s is not None for s in settled) == len(rows):
                break
    kept = [s for s in settled if s is not None]
    return Differences(
        rows=torch.stack([row for row, _, _ in kept]) if kept else rows[:0],
        slopes=torch.tensor([slope for _, slope, _ in kept], dtype=torch.float64),
        wanted=len(rows),
        set_aside=len(settled) - len(kept),
        noise=sum((ROUNDING / h) ** 2 for _, _, h in kept) ** 0.5,
    )


class _Slope(NamedTuple):
    """Half the difference of the slopes ahead and behind, their mean, and the step; by the first
    the smoothest is the least."""

    gap: float
    slope: float
    step: float

    @classmethod
    def of(cls, sides: tuple[float, float], step: float) -> _Slope:
        ahead, behind = sides
        return cls(abs(ahead - behind) / 2, (ahead + behind) / 2, step)


def _sides(
    value: Callable[[Tensor], float], start: float, row: Tensor, step: float
) -> tuple[float, float]:
    """The slopes from 0 ahead along ``row`` and from behind to 0."""
    return (value(step * row) - start) / step, (start - value(-step * row)) / step


def project(gradient: Tensor, rows: Tensor) -> Tensor:
    """The inner products of ``gradient`` with each of ``rows``, (m,)."""
    return (rows.flatten(1) @ gradient.flatten()).double().cpu()
