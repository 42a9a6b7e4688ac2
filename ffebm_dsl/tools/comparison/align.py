"""Which entry of one sequence answers to which of another: the cheapest alignment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def align(
    a: Sequence[T], b: Sequence[T], cost: Callable[[T, T], float], gap: float
) -> list[tuple[T | None, T | None]]:
    """Pairs in order (Needleman and Wunsch); None stands for what the other does not have.

    ``cost`` is that of pairing two entries, ``gap`` that of leaving one alone. Where
    alignments cost the same, entries are paired as early as possible.
    """
    costs = _costs(a, b, cost, gap)
    pairs: list[tuple[T | None, T | None]] = []
    i = j = 0
    while i < len(a) or j < len(b):
        both = i < len(a) and j < len(b)
        if both and costs[i][j] == cost(a[i], b[j]) + costs[i + 1][j + 1]:
            pairs.append((a[i], b[j]))
            i, j = i + 1, j + 1
        elif i < len(a) and costs[i][j] == gap + costs[i + 1][j]:
            pairs.append((a[i], None))
            i += 1
        else:
            pairs.append((None, b[j]))
            j += 1
    return pairs


def _costs(
    a: Sequence[T], b: Sequence[T], cost: Callable[[T, T], float], gap: float
) -> list[list[float]]:
    """What aligning the rests ``a[i:]`` and ``b[j:]`` costs at least."""
    costs = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a) + 1)):
        for j in reversed(range(len(b) + 1)):
            ways = []
            if i < len(a) and j < len(b):
                ways.append(cost(a[i], b[j]) + costs[i + 1][j + 1])
            if i < len(a):
                ways.append(gap + costs[i + 1][j])
            if j < len(b):
                ways.append(gap + costs[i][j + 1])
            costs[i][j] = min(ways, default=0.0)
    return costs
