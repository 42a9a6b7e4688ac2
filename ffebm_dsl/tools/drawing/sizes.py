"""Sizes of nodes, and how far things reach to the left and right of a column's middle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ffebm_dsl.tools.drawing.diagram import Diagram, DiagramEdge, DiagramNode, NodeKind, Row
from ffebm_dsl.tools.drawing.metrics import width, wrapped
from ffebm_dsl.tools.drawing.routes import Arc, Order, Routes, Trunk

FONT, SMALL = 12.0, 10.5
LANE = 12.0
"""Between two lanes."""
SLOT = 17.0
"""Between two lines that meet a layer on the same side: one label's height."""
PAD = 12.0
"""Between texts and the edge of their box, and around boxes."""
LABEL = 230.0
"""Widest label of a coupling before it is wrapped."""


class Slots(NamedTuple):
    """What meets a layer's sides, from top to bottom; ``height`` is the fuller one's."""

    left: tuple[DiagramEdge | Trunk, ...]
    right: tuple[DiagramEdge | Arc, ...]

    @property
    def height(self) -> int:
        loops = sum(isinstance(item, DiagramEdge) for item in self.right)
        return max(len(self.left), len(self.right) + loops)


def slots(node: str, routes: Routes) -> Slots:
    """Arrivals above departures, and each such that lanes cross as little as can be."""
    tags = [e for e in routes.tags if e.target == node]
    arriving = [(t.inner, t.lane, e) for t in routes.trunks for e in t.far if e.target == node]
    arriving.sort(key=lambda item: (not item[0], item[1]))
    leaving = [t for t in routes.trunks if t.source == node and not t.below]
    loops = [e for e in routes.loops if e.source == node]
    above = sorted((a for a in routes.arcs if a.lower == node), key=lambda a: a.lane)
    below = sorted((a for a in routes.arcs if a.upper == node), key=lambda a: -a.lane)
    return Slots((*tags, *(e for _, _, e in arriving), *leaving), (*loops, *above, *below))


def size(node: DiagramNode, layer_width: float, routes: Routes) -> tuple[float, float]:
    """Width and height of a node; all layers of a picture are ``layer_width`` wide."""
    if node.kind is NodeKind.LAYER:
        return layer_width, max(28.0, SLOT * slots(node.name, routes).height + 8)
    title = width(node.title, FONT, bold=True) + width(node.aside, SMALL) + 10
    lines = [width(a, SMALL) + 14 + width(b, SMALL) for a, b in node.lines]
    return max(title, *lines, 40) + 2 * PAD, 25 + 14 * len(node.lines)


def layer_width(rows: tuple[Row, ...]) -> float:
    """The width in which every layer's line fits."""
    layers = (node for row in rows for node in row.nodes if row.is_layer)
    return max((_layer_line(node) for node in layers), default=0) + 2 * PAD


def _layer_line(node: DiagramNode) -> float:
    """The shape is in the middle, so both sides are as wide as the wider one."""
    shape = width(node.lines[0][0], FONT)
    side = max(width(node.title, FONT, bold=True), width(node.aside, SMALL))
    return 2 * side + shape + 20


def label_lines(edge: DiagramEdge) -> tuple[str, ...]:
    """The text at a straight coupling, one line above the other."""
    return wrapped(edge.label, LABEL, SMALL)


def stub_label(edge: DiagramEdge) -> str:
    """The text at a line that meets a layer from the side."""
    return "  ".join(filter(None, (" ".join(edge.label), edge.note if edge.symmetric else "")))


def tag_label(edge: DiagramEdge) -> str:
    return f"{edge.note} {edge.label[0]}"


class Extent(NamedTuple):
    """Distances from the middle of a column; those to the left are negative.

    ``inner``, ``outer`` and ``right`` are where the lanes begin, ``frame`` the left and
    right edge of blocks, ``all`` those of everything.
    """

    layer: float
    inner: float
    outer: float
    right: float
    frame: tuple[float, float]
    all: tuple[float, float]


def extent(diagram: Diagram, order: Order, routes: Routes) -> Extent:
    """How far things reach, the same for every column."""
    wide = layer_width(diagram.rows)
    half = wide / 2
    lanes = routes.lanes
    sides = [_side(row, wide, routes) for row in diagram.rows]
    stubs = [width(w, SMALL) + 16 for w in _left_texts(routes, order)]
    inner = -half - max(stubs, default=PAD)
    reach = min(-left for left, _ in sides)
    left = min(reach, inner - LANE * max(lanes[0] - 1, 0)) - PAD
    texts = [*_right_texts(diagram, routes, order, half), half]
    right = max(texts) + PAD
    captions = [width(g.caption, SMALL) + 8 for g in diagram.groups.values()]
    ends = [right + LANE * (lanes[2] - 1)] if lanes[2] else []
    frame_right = max(*ends, *texts, *captions, *(r for _, r in sides)) + PAD
    outer = left - LANE
    end = outer - LANE * (lanes[1] - 1) - 8 if lanes[1] else left
    return Extent(wide, inner, outer, right, (left, frame_right), (end, frame_right))


def _side(row: Row, wide: float, routes: Routes) -> tuple[float, float]:
    """How far a row's nodes reach to the left and right of the middle."""
    first, *rest = (size(node, wide, routes)[0] for node in row.nodes)
    return first / 2 + sum(w + 2 * PAD for w in rest), first / 2


def _left_texts(routes: Routes, order: Order) -> Iterator[str]:
    for trunk in routes.trunks:
        yield from (stub_label(e) for e in trunk.far if order.is_layer(e.target))
    yield from (tag_label(e) for e in routes.tags if order.is_layer(e.target))


def _right_texts(diagram: Diagram, routes: Routes, order: Order, half: float) -> Iterator[float]:
    """How far the texts right of the middle reach."""
    for edge in routes.straight.values():
        lines = [*label_lines(edge), edge.note] if edge.symmetric else edge.label
        yield from (10 + width(line, SMALL) for line in lines)
    yield from (half + 8 + width(stub_label(arc.edge), SMALL) for arc in routes.arcs)
    yield from (half + 34 + width(stub_label(loop), SMALL) for loop in routes.loops)
