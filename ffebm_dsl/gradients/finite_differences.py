"""Central finite differences along random directions: the judge of every estimator.

A tensor of n entries is probed along ``min(n, count)`` directions: the coordinate axes
where n is small enough, so that nothing escapes; otherwise random vectors of entries
+-1, each of which every entry takes part in.

A central difference across a kink of the loss is no derivative. Whether one lies within a
step is told from the loss alone, never from the gradient that is to be judged: the slopes
ahead of the point and behind it then differ, and half their difference is the error that
one kink makes. Such a probe is taken again with a finer step, then set aside; where every
probe has to be set aside, there is no judgement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

STEP = 1e-6
"""Half the distance of the two evaluations; with losses good to 1e-15 the noise is 1e-9."""

ROUNDING = 1e-14
"""What rounding may do to a loss of order 1, so that a slope is good to this over the step."""

SMOOTH = 1e-3
"""Ahead and behind may differ by twice this, relative to the largest slope of the tensor."""

SHRINKINGS = 3
"""A step is divided by ten at most so often, and while rounding stays below ``SMOOTH``."""


@dataclass(frozen=True)
class Differences:
    """The slopes of a function along those directions in which it is smooth.

    Attributes:
        rows: (m, *shape) the directions, m of at most ``wanted``.
        slopes: (m,) central differences along them.
        wanted: directions asked for.
        set_aside: directions tried across which the function has a kink at every step.
        noise: 2-norm of what rounding may have done to ``slopes``.
    """

    rows: Tensor
    slopes: Tensor
    wanted: int
    set_aside: int
    noise: float

    @property
    def enough(self) -> bool:
        """Whether at least half of what was wanted is there to judge by."""
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
        spare: further directions, asked for only where some of ``rows`` are set aside.
        step: the first step tried.
        floor: slopes differ by this without anyone's caring.
    """
    first = [_sides(value, start, row, step) for row in rows]
    scale = max(abs(ahead + behind) / 2 for ahead, behind in first)
    limit = max(SMOOTH * scale, floor, ROUNDING / step)
    finer = [step / 10**k for k in range(1, SHRINKINGS + 1)]
    finer = [h for h in finer if ROUNDING / h <= limit]

    def settle(row: Tensor, sides: tuple[float, float]) -> tuple[Tensor, float, float] | None:
        for h in (step, *finer):
            ahead, behind = sides if h == step else _sides(value, start, row, h)
            if abs(ahead - behind) / 2 <= limit:
                return row, (ahead + behind) / 2, h
        return None

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


def _sides(
    value: Callable[[Tensor], float], start: float, row: Tensor, step: float
) -> tuple[float, float]:
    """The slopes from 0 ahead along ``row`` and from behind to 0."""
    return (value(step * row) - start) / step, (start - value(-step * row)) / step


def project(gradient: Tensor, rows: Tensor) -> Tensor:
    """The inner products of ``gradient`` with each of ``rows``, (m,)."""
    return (rows.flatten(1) @ gradient.flatten()).double().cpu()
