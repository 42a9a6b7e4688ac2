"""Optimal alignment of two sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, inf
from typing import TypeVar

T = TypeVar("T")

BAND = 32
"""Maximum distance of an alignment from the diagonal, in entries. For sequences of at most this
length all alignments are considered; the time for longer ones is proportional to their length."""


def align(
    a: Sequence[T], b: Sequence[T], cost: Callable[[T, T], float], gap: float
) -> list[tuple[T | None, T | None]]:
    """Aligned pairs in order (Needleman and Wunsch); None replaces a missing partner.

    ``cost`` is that of pairing two entries, at least 0, and 0 for equal ones; ``gap`` is that of an
    unpaired entry. Of several optimal alignments, the one that pairs entries earliest is returned.
    """
    start = 0
    while start < min(len(a), len(b)) and cost(a[start], b[start]) == 0:
        start += 1
    return [*zip(a[:start], b[:start], strict=True), *_banded(a[start:], b[start:], cost, gap)]


def _banded(
    a: Sequence[T], b: Sequence[T], cost: Callable[[T, T], float], gap: float
) -> list[tuple[T | None, T | None]]:
    costs = _costs(a, b, cost, gap)
    pairs: list[tuple[T | None, T | None]] = []
    i = j = 0
    while i < len(a) or j < len(b):
        here = costs[i][j]
        both = i < len(a) and j < len(b) and j + 1 in costs[i + 1]
        if both and here == cost(a[i], b[j]) + costs[i + 1][j + 1]:
            pairs.append((a[i], b[j]))
            i, j = i + 1, j + 1
        elif i < len(a) and here == gap + costs[i + 1].get(j, inf):
            pairs.append((a[i], None))
            i += 1
        else:
            pairs.append((None, b[j]))
            j += 1
    return pairs


def _costs(
    a: Sequence[T], b: Sequence[T], cost: Callable[[T, T], float], gap: float
) -> list[dict[int, float]]:
    """Minimal costs of aligning the rests ``a[i:]`` and ``b[j:]``, in a band of j for each i."""
    costs: list[dict[int, float]] = [{} for _ in range(len(a) + 2)]
    slope = len(b) / max(1, len(a))
    reach = BAND + ceil(slope)
    for i in reversed(range(len(a) + 1)):
        row, below = costs[i], costs[i + 1]
        middle = round(i * slope) if a else 0
        last = len(b) if not a else min(len(b), middle + reach)
        for j in range(last, max(0, middle - reach) - 1, -1):
            if i == len(a) and j == len(b):
                row[j] = 0.0
                continue
            paired = below.get(j + 1, inf)
            if paired < inf:
                paired += cost(a[i], b[j])
            row[j] = min(paired, gap + below.get(j, inf), gap + row.get(j + 1, inf))
    return costs
