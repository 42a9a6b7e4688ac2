"""Sizes of nodes and labels, and the extent of columns on both sides of their middle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ffebm_dsl.tools.drawing.diagram import Diagram, DiagramEdge, DiagramNode
from ffebm_dsl.tools.drawing.metrics import width, wrapped
from ffebm_dsl.tools.drawing.routes import Routes

FONT, SMALL = 12.0, 10.5
LANE = 12.0
"""Distance between two lanes."""
SLOT = 17.0
"""Distance between two lines at the same side of a node: the height of a label."""
PAD = 12.0
"""Distance between texts and the edge of their box, and around boxes."""
LABEL = 230.0
"""Largest width of a straight edge's label before it is wrapped."""
LOOP = 24.0
"""Extent of the loop of a lateral coupling."""


def height(node: DiagramNode, routes: Routes) -> float:
    return max(25.0 + 14 * len(node.lines), SLOT * routes.slots(node.name).height + 8)


def _width(node: DiagramNode) -> float:
    title = width(node.title, FONT, bold=True) + width(node.aside, SMALL) + 14
    lines = [width(a, SMALL) + 14 + width(b, SMALL) for a, b in node.lines]
    return max(title, *lines, 40) + 2 * PAD


def straight_label(edge: DiagramEdge) -> tuple[str, ...]:
    """The lines of text at a straight edge."""
    lines = (*wrapped(edge.label, LABEL, SMALL), edge.parameters)
    return tuple(line for line in lines if line)


def side_label(edge: DiagramEdge) -> str:
    """The text at a line that meets a node from the side."""
    return "  ".join(filter(None, (" ".join(edge.label), edge.parameters)))


class Extent(NamedTuple):
    """Distances from the middle of a column, the same for every column of a drawing.

    ``half`` is half the width of a node. To the left, lanes begin at ``inner`` and ``outer``,
    ``frame`` is the edge of blocks, and ``left`` that of everything; to the right, lanes begin at
    ``lanes``, and ``right`` is the edge of blocks and of everything.
    """

    half: float
    inner: float
    frame: float
    outer: float
    left: float
    lanes: float
    right: float


def extent(diagram: Diagram, routes: Routes) -> Extent:
    half = max(map(_width, diagram.nodes)) / 2
    labels = [width(text, SMALL) + 16 for text in _left_labels(routes)]
    inner = half + max(labels, default=PAD)
    frame = inner + LANE * max(routes.lanes(inner=True) - 1, 0) + PAD
    outer, count = frame + LANE, routes.lanes(inner=False)
    left = outer + LANE * (count - 1) + 8 if count else frame
    texts = max((half, *_right_labels(routes, half)))
    ends = texts + LANE * routes.right_lanes
    captions = (width(group.caption, SMALL) + 8 for group in diagram.groups.values())
    right = max(ends, *captions) + PAD if diagram.groups else ends
    return Extent(half, inner, frame, outer, left, texts + LANE, right)


def _left_labels(routes: Routes) -> Iterator[str]:
    yield from (side_label(e) for trunk in routes.trunks for e in trunk.edges)
    yield from (tag.port for tag in routes.tags)


def _right_labels(routes: Routes, half: float) -> Iterator[float]:
    """The extent of the texts on the right side of the middle."""
    for edge in routes.straight.values():
        yield from (10 + width(line, SMALL) for line in straight_label(edge))
    yield from (half + 8 + width(side_label(arc.edge), SMALL) for arc in routes.arcs)
    yield from (half + LOOP + 10 + width(side_label(e), SMALL) for e in routes.loops)
