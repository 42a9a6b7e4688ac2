"""Coordinates: the columns of nodes side by side, and the legend below them."""

from __future__ import annotations

from itertools import accumulate

from ffebm_dsl.tools.drawing.column import ColumnScene
from ffebm_dsl.tools.drawing.columns import split
from ffebm_dsl.tools.drawing.diagram import Diagram
from ffebm_dsl.tools.drawing.metrics import width
from ffebm_dsl.tools.drawing.routes import find_routes
from ffebm_dsl.tools.drawing.scene import Box, Line, Scene, Text
from ffebm_dsl.tools.drawing.sizes import SMALL, extent, height

MARGIN = 16.0
GUTTER = 22.0
"""Between two columns."""

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
    """The picture of a diagram."""
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
    """The nodes by column, with the sizes that they have in a single one."""
    routes = find_routes(diagram, [range(len(diagram.nodes))])
    reach = extent(diagram, routes)
    heights = [height(node, routes) + GAP for node in diagram.nodes]
    return split(diagram.nodes, heights, reach.left + reach.right + GUTTER)


def _legend(x: float, y: float) -> Scene:
    """What the colours and arrows mean, from ``x`` on, the words' baseline at ``y``."""
    boxes, lines, texts = [], [], []
    for (style, words), start in zip(ENTRIES, accumulate(_WIDTHS, initial=x), strict=False):
        if style in ("map", "layer"):
            boxes.append(Box(start + 8, y - 10, 18, 12, style, 6.0 if style == "layer" else 2.0))
        else:
            points = ((start, y - 4), (start + _SAMPLE, y - 4))
            lines.append(Line(points, style, both=style == "symmetric"))
        texts.append(Text(start + _SAMPLE + 6, y, words, "small"))
    return Scene(0, 0, tuple(boxes), tuple(lines), tuple(texts))
