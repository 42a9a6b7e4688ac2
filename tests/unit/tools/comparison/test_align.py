"""The alignment of two chains: linear in their length, exact for short ones."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffebm_dsl.tools.comparison.align import BAND, align

GAP = 1.0
words = st.lists(st.integers(0, 3), max_size=BAND)


def distance(a: int, b: int) -> float:
    return 0.0 if a == b else 1.5


def cheapest(a: Sequence[int], b: Sequence[int]) -> float:
    """By the recurrence over all cells."""
    row = [GAP * j for j in range(len(b) + 1)]
    for i, x in enumerate(a, start=1):
        next_row = [GAP * i]
        for j, y in enumerate(b, start=1):
            next_row.append(min(row[j - 1] + distance(x, y), row[j] + GAP, next_row[j - 1] + GAP))
        row = next_row
    return row[-1]


@given(words, words)
def test_the_alignment_is_the_cheapest(a: list[int], b: list[int]) -> None:
    pairs = align(a, b, distance, GAP)
    assert [x for x, _ in pairs if x is not None] == a
    assert [y for _, y in pairs if y is not None] == b
    spent = sum(GAP if x is None or y is None else distance(x, y) for x, y in pairs)
    assert spent == pytest.approx(cheapest(a, b))


@pytest.mark.parametrize("kind", ["same", "other", "longer", "much longer"])
def test_its_work_is_proportional_to_the_length(kind: str) -> None:
    def calls(length: int) -> int:
        count = 0

        def counted(x: int, y: int) -> float:
            nonlocal count
            count += 1
            return distance(x, y)

        draw = random.Random(0)
        a = [draw.randrange(4) for _ in range(length)]
        b = {
            "same": a,
            "other": [draw.randrange(4, 8) for _ in range(length)],
            "longer": [9, *a, *a[: length // 2]],
            "much longer": [9, *(a * 5)],
        }[kind]
        pairs = align(a, b, counted, GAP)
        assert [y for _, y in pairs if y is not None] == b
        return count

    once, twice = calls(400), calls(800)
    assert twice < 2.3 * once
    assert kind != "same" or once == 400
