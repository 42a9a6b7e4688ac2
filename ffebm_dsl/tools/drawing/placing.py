"""Coordinates: nodes in columns, so that a deep network fits on a page, and the legend below."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from ffebm_dsl.tools.drawing.column import ColumnScene
from ffebm_dsl.tools.drawing.diagram import Diagram, DiagramNode
from ffebm_dsl.tools.drawing.routes import find_routes
from ffebm_dsl.tools.drawing.sizes import SMALL, extent, height, width
from ffebm_dsl.tools.drawing.svg import Box, Line, Scene, Text

MARGIN = 16.0
GUTTER = 22.0
"""Distance between two columns."""

PAGE = (480.0, 640.0)
"""Width and height of the text area of a printed page, in points; only their ratio matters."""

MAX_COLUMNS = 6

GAP = 48.0
"""The gap between nodes that is assumed when columns are chosen."""

ENTRIES = (
    ("map", "digital"),
    ("layer", "analog"),
    ("one-way", "one way"),
    ("symmetric", "symmetric coupling: one weight, both ways"),
)
"""The legend: style -> words."""

_SAMPLE = 26.0
"""Width of the sample before the words."""

_WIDTHS = tuple(_SAMPLE + 22 + width(words, SMALL) for _, words in ENTRIES)


def place(diagram: Diagram) -> Scene:
    """The scene of a diagram."""
    columns = _columns(diagram)
    routes = find_routes(diagram, columns)
    reach = extent(diagram, routes)
    breadth = reach.left + reach.right + GUTTER
    total = max(breadth * len(columns) - GUTTER, sum(_WIDTHS)) + 2 * MARGIN
    start = (total - breadth * len(columns) + GUTTER) / 2 + reach.left
    placed = [
        ColumnScene(diagram, rows, routes, reach, start + i * breadth, MARGIN)
        for i, rows in enumerate(columns)
    ]
    bottom = max(column.y for column in placed) + MARGIN
    legend = _legend((total - sum(_WIDTHS)) / 2, bottom)
    return Scene(
        width=total,
        height=bottom + MARGIN,
        boxes=(*(box for c in placed for box in c.boxes), *legend.boxes),
        lines=(*(line for c in placed for line in c.lines), *legend.lines),
        texts=(*(text for c in placed for text in c.texts), *legend.texts),
    )


def _columns(diagram: Diagram) -> list[range]:
    """The nodes by column, with their sizes in a single column."""
    routes = find_routes(diagram, [range(len(diagram.nodes))])
    reach = extent(diagram, routes)
    heights = [height(node, routes) + GAP for node in diagram.nodes]
    return split(diagram.nodes, heights, reach.left + reach.right + GUTTER)


def print_scale(width: float, height: float) -> float:
    """The factor by which a drawing is scaled down to fit on the page, at most 1."""
    return min(PAGE[0] / width, PAGE[1] / height, 1.0)


def split(nodes: Sequence[DiagramNode], heights: Sequence[float], width: float) -> list[range]:
    """Columns of whole stages, such that the drawing can be printed as large as possible.

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
    """At most ``count`` columns that minimise the largest height, cut at ``cuts`` only."""
    low, high = max(heights, default=0.0), sum(heights)
    while high - low > 1:
        middle = (low + high) / 2
        if len(_filled(heights, cuts, middle)) <= count:
            high = middle
        else:
            low = middle
    return _filled(heights, cuts, high)


def _filled(heights: Sequence[float], cuts: Sequence[int], room: float) -> list[range]:
    """Columns filled one after the other; a stage higher than ``room`` has a column of its own."""
    columns = []
    start = 0
    for cut, after in pairwise([*cuts, len(heights)]):
        if sum(heights[start:after]) > room and cut > start:
            columns.append(range(start, cut))
            start = cut
    return [*columns, range(start, len(heights))]


def _legend(x: float, y: float) -> Scene:
    """The legend of colours and arrows, starting at ``x``, with its baseline at ``y``."""
    boxes, lines, texts = [], [], []
    for (style, words), start in zip(ENTRIES, accumulate(_WIDTHS, initial=x), strict=False):
        if style in ("map", "layer"):
            boxes.append(Box(start + 8, y - 10, 18, 12, style, 6.0 if style == "layer" else 2.0))
        else:
            points = ((start, y - 4), (start + _SAMPLE, y - 4))
            lines.append(Line(points, style, both=style == "symmetric"))
        texts.append(Text(start + _SAMPLE + 6, y, words, "small"))
    return Scene(0, 0, tuple(boxes), tuple(lines), tuple(texts))
