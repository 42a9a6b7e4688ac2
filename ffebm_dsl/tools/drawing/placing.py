"""Coordinates: rows below one another, frames around blocks, lines where the routes say."""

from __future__ import annotations

from ffebm_dsl.tools.drawing.column import ColumnScene
from ffebm_dsl.tools.drawing.columns import split
from ffebm_dsl.tools.drawing.diagram import Diagram
from ffebm_dsl.tools.drawing.legend import legend, legend_width
from ffebm_dsl.tools.drawing.lines import column_lines, connector
from ffebm_dsl.tools.drawing.routes import Order, find_routes
from ffebm_dsl.tools.drawing.scene import Scene
from ffebm_dsl.tools.drawing.sizes import extent, layer_width, size

MARGIN = 16.0
GUTTER = 34.0
"""Between two columns; the line from one to the next runs here."""

GAP = 62.0
"""A gap between rows as the choice of columns reckons it."""


def place(diagram: Diagram) -> Scene:
    """The picture of a diagram."""
    columns = _columns(diagram)
    order = Order.of(diagram, columns)
    routes = find_routes(diagram, order)
    reach = extent(diagram, order, routes)
    breadth = reach.all[1] - reach.all[0] + GUTTER
    total = max(breadth * len(columns) - GUTTER, legend_width()) + 2 * MARGIN
    left = (total - breadth * len(columns) + GUTTER) / 2
    top = MARGIN + (20 if len(columns) > 1 else 0)
    placed = [
        ColumnScene(diagram, order, routes, reach, left - reach.all[0] + i * breadth, top).fill(
            rows
        )
        for i, rows in enumerate(columns)
    ]
    lines = [line for column in placed for line in column_lines(column)]
    for number, edge in routes.straight.items():
        here, there = order.column[number], order.column[number + 1]
        if here != there:
            gutter = placed[there].middle + reach.all[0] - GUTTER / 2
            lines.append(connector(edge, placed[here], placed[there], gutter, MARGIN))
    bottom = max(column.y for column in placed) + 2 * MARGIN
    boxes, arrows, texts = legend((total - legend_width()) / 2, bottom)
    return Scene(
        width=total,
        height=bottom + MARGIN,
        boxes=(*(box for c in placed for box in c.boxes), *boxes),
        lines=(*lines, *arrows),
        texts=(*(text for c in placed for text in c.texts), *texts),
    )


def _columns(diagram: Diagram) -> list[range]:
    """The rows by column, reckoned as if there were one."""
    whole = [range(len(diagram.rows))]
    order = Order.of(diagram, whole)
    routes = find_routes(diagram, order)
    reach = extent(diagram, order, routes)
    wide = layer_width(diagram.rows)
    heights = [max(size(n, wide, routes)[1] for n in row.nodes) + GAP for row in diagram.rows]
    return split(diagram.rows, heights, reach.all[1] - reach.all[0] + GUTTER)
