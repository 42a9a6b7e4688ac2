"""Sizes of texts, computed without the font, of nodes and labels, and the extent of columns on both
sides of their middle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ffebm_dsl.tools.drawing.diagram import Diagram, DiagramEdge, DiagramNode
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

_WIDTHS = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 "
    "556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 "
    "1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 "
    "667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 "
    "333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 "
    "556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
"""Advance widths of Helvetica, in thousandths of the font size, which are those of Arial and
Liberation Sans too, the fonts of :mod:`~ffebm_dsl.tools.drawing.svg`."""

_ASCII = dict(zip(map(chr, range(32, 127)), map(int, _WIDTHS.split()), strict=True))
_SLACK = 1.06  # for other fonts
_BOLD = 1.08


def width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a line of text at a font size, in the unit of the size."""
    units = sum(_ASCII.get(char, 1000) for char in text)
    return units / 1000 * size * _SLACK * (_BOLD if bold else 1)


def fitted(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """``text``, truncated with an ellipsis if it is wider than ``room``."""
    if width(text, size, bold=bold) <= room:
        return text
    while text and width(f"{text}\u2026", size, bold=bold) > room:
        text = text[:-1]
    return f"{text}\u2026"


def wrapped(parts: Iterable[str], room: float, size: float) -> tuple[str, ...]:
    """The parts joined into as many lines of width ``room`` as necessary."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]} {part}" if lines else part
        if lines and width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(part)
    return tuple(lines)


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
