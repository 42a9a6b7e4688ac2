"""How the nodes are set in columns, so that a deep network fits a page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ffebm_dsl.tools.drawing.diagram import DiagramNode

PAGE = (480.0, 640.0)
"""Width and height of the text of a printed page, in points: only their ratio matters."""

MAX_COLUMNS = 6


def print_scale(width: float, height: float) -> float:
    """By how much a picture shrinks to fit the page; 1 where it fits as it is."""
    return min(PAGE[0] / width, PAGE[1] / height, 1.0)


def split(nodes: Sequence[DiagramNode], heights: Sequence[float], width: float) -> list[range]:
    """Columns of whole stages, as many as let the picture be printed largest.

    ``heights`` are those of the nodes with the gap below them, ``width`` that of a column.
    """
    cuts = [i for i, (a, b) in enumerate(pairwise(nodes), start=1) if a.stage != b.stage]
    best, best_scale = [range(len(nodes))], 0.0
    for count in range(1, MAX_COLUMNS + 1):
        columns = _balanced(heights, cuts, count)
        tallest = max(sum(heights[i] for i in column) for column in columns)
        scale = print_scale(width * len(columns), tallest)
        if scale > best_scale * 1.05:
            best, best_scale = columns, scale
    return best


def _balanced(heights: Sequence[float], cuts: Sequence[int], count: int) -> list[range]:
    """At most ``count`` columns with the lowest tallest one, cut at ``cuts`` only."""
    low, high = max(heights, default=0.0), sum(heights)
    while high - low > 1:
        middle = (low + high) / 2
        if len(_filled(heights, cuts, middle)) <= count:
            high = middle
        else:
            low = middle
    return _filled(heights, cuts, high)


def _filled(heights: Sequence[float], cuts: Sequence[int], room: float) -> list[range]:
    """Columns filled one after the other; a stage higher than ``room`` has one for itself."""
    columns = []
    start = 0
    for cut, after in pairwise([*cuts, len(heights)]):
        if sum(heights[start:after]) > room and cut > start:
            columns.append(range(start, cut))
            start = cut
    return [*columns, range(start, len(heights))]
