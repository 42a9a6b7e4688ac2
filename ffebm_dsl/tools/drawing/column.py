"""One column of the drawing: its nodes, frames, texts and lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ffebm_dsl.tools.drawing.diagram import Diagram, DiagramEdge, DiagramNode
from ffebm_dsl.tools.drawing.routes import Arc, Routes, Trunk
from ffebm_dsl.tools.drawing.sizes import (
    FONT,
    LANE,
    LOOP,
    PAD,
    SLOT,
    Extent,
    fitted,
    height,
    side_label,
    straight_label,
)
from ffebm_dsl.tools.drawing.svg import Box, Line, Point, Text

TITLE = 20.0
"""Height of a frame's heading."""


class ColumnScene:
    """Nodes are placed from top to bottom; ``y`` is the position of the next element."""

    def __init__(
        self,
        diagram: Diagram,
        rows: Sequence[int],
        routes: Routes,
        reach: Extent,
        middle: float,
        top: float,
    ) -> None:
        self.diagram, self.routes, self.reach = diagram, routes, reach
        self.middle, self.y = middle, top
        self.boxes: list[Box] = []
        self.texts: list[Text] = []
        self.placed: dict[str, Box] = {}
        self._frame_top = self._energy_top = top
        nodes = [diagram.nodes[i] for i in rows]
        for above, node, below in zip((None, *nodes), nodes, (*nodes[1:], None), strict=False):
            self._open(node, above)
            self._place(node)
            self._close(node, below)
        self.lines = [*self._draw()]

    def _write(self, x: float, words: str, style: str, anchor: str = "start") -> None:
        """A text in the line whose lower end is ``y``."""
        self.texts.append(Text(x, self.y, words, style, anchor))

    # Nodes and frames -----------------------------------------------------------------------

    def _open(self, node: DiagramNode, above: DiagramNode | None) -> None:
        """Open the frames that begin at the node; headings leave space for lines in the middle."""
        left, right = self.middle - self.reach.frame, self.middle + self.reach.right
        begins = above is None or above.block != node.block
        if node.block and begins:
            group = self.diagram.groups[node.block]
            self._frame_top = self.y
            self.y += TITLE - 5
            room = self.reach.frame - 2 * PAD
            self._write(left + PAD, fitted(group.title, room, FONT, bold=True), "title")
            self._write(right - PAD, group.caption, "small muted", "end")
            self.y += 5 + 9
        if node.is_layer and (begins or (above is not None and not above.is_layer)):
            self._energy_top = self.y
            self.y += TITLE - 7
            energy = self.diagram.groups[node.block].energy
            self._write(right - 6 - PAD, energy, "small muted", "end")
            self.y += 7

    def _place(self, node: DiagramNode) -> None:
        high, x = height(node, self.routes), self.middle - self.reach.half
        wide = 2 * self.reach.half
        box = Box(x, self.y, wide, high, node.kind, 13 if node.is_layer else 3, node.tip)
        self.placed[node.name] = box
        self.boxes.append(box)
        self.y += (high - 14 * len(node.lines)) / 2 + 4
        self._write(x + PAD, node.title, "title")
        self._write(x + wide - PAD, node.aside, "small muted", "end")
        for words, shape in node.lines:
            self.y += 14
            self._write(x + PAD, words, "small")
            self._write(x + wide - PAD, shape, "small muted", "end")
        self.y = box.y + high

    def _close(self, node: DiagramNode, below: DiagramNode | None) -> None:
        """Close the frames that end with the node, and leave space for the edge to the next."""
        if node.block and (below is None or below.block != node.block):
            left, right = self.middle - self.reach.frame, self.middle + self.reach.right
            if node.is_layer:
                self.y += 9
                high = self.y - self._energy_top
                frame = Box(left + 6, self._energy_top, right - left - 12, high, "energy", 8)
                self.boxes.insert(0, frame)
            self.y += 7
            frame = Box(left, self._frame_top, right - left, self.y - self._frame_top, "frame", 8)
            self.boxes.insert(0, frame)
        edge = self.routes.straight.get(node.name)
        label = straight_label(edge) if edge else ()
        self.y += 7
        for line in label:
            self.y += 12
            muted = edge is not None and line == edge.parameters
            self._write(self.middle + 10, line, "small muted" if muted else "small")
        self.y += 9 if label else 12

    # Lines ----------------------------------------------------------------------------------

    def _draw(self) -> Iterator[Line]:
        """Every line of the column; also writes the labels beside nodes."""
        for upper, edge in self.routes.straight.items():
            if upper in self.placed:
                yield self._straight(edge)
        for trunk in self.routes.trunks:
            if trunk.source in self.placed:
                yield from self._trunk(trunk)
        for arc in self.routes.arcs:
            if arc.upper in self.placed:
                yield self._arc(arc)
        for loop in self.routes.loops:
            if loop.source in self.placed:
                yield self._loop(loop)
        for tag in self.routes.tags:
            if tag.target in self.placed:
                end = self._arrival(tag, tag.port)
                start = (self.middle - self.reach.inner + 4, end[1])
                yield Line((start, end), "one-way", tip=tag.tip)

    def _straight(self, edge: DiagramEdge) -> Line:
        ends = (self.placed[edge.source], self.placed[edge.target])
        upper, lower = sorted(ends, key=lambda box: box.y)
        points = ((self.middle, upper.y + upper.height), (self.middle, lower.y))
        style = "symmetric" if edge.symmetric else "one-way"
        return Line(points, style, edge.symmetric, edge.tip)

    def _slot(self, node: str, position: int) -> float:
        """The height at which the line of a slot meets a node."""
        box, count = self.placed[node], self.routes.slots(node).height
        return box.y + box.height / 2 + SLOT * (position - (count - 1) / 2) + 2

    def _arrival(self, edge: DiagramEdge, words: str) -> Point:
        """The point where an edge meets the left of a node, with its label above it."""
        left = self.routes.slots(edge.target).left
        position = next(i for i, item in enumerate(left) if item is edge)
        x, y = self.placed[edge.target].x, self._slot(edge.target, position)
        self.texts.append(Text(x - 8, y - 4, words, "small", "end"))
        return x, y

    def _trunk(self, trunk: Trunk) -> Iterator[Line]:
        begin = self.reach.inner if trunk.inner else self.reach.outer
        lane = self.middle - begin - LANE * trunk.lane
        position = self.routes.slots(trunk.source).left.index(trunk)
        height = self._slot(trunk.source, position)
        for edge in trunk.edges:
            x, y = self._arrival(edge, side_label(edge))
            points = ((self.placed[trunk.source].x, height), (lane, height), (lane, y), (x, y))
            yield Line(points, "one-way", tip=edge.tip)

    def _right(self, node: str, item: Arc | DiagramEdge) -> Point:
        """The point where a line meets the right of a node; a loop uses its slot and the next."""
        position, box = 0, self.placed[node]
        for other in self.routes.slots(node).right:
            if other is item:
                break
            position += 2 if isinstance(other, DiagramEdge) else 1
        return box.x + box.width, self._slot(node, position)

    def _arc(self, arc: Arc) -> Line:
        lane = self.middle + self.reach.lanes + LANE * arc.lane
        (x, y), (_, y2) = (self._right(node, arc) for node in (arc.upper, arc.lower))
        self.texts.append(Text(x + 8, y - 4, side_label(arc.edge), "small"))
        points = ((x, y), (lane, y), (lane, y2), (x, y2))
        return Line(points, "symmetric", True, arc.edge.tip)

    def _loop(self, edge: DiagramEdge) -> Line:
        x, y = self._right(edge.source, edge)
        self.texts.append(Text(x + LOOP + 6, y + SLOT / 2 + 4, side_label(edge), "small"))
        points = ((x, y), (x + LOOP, y), (x + LOOP, y + SLOT), (x, y + SLOT))
        return Line(points, "symmetric", True, edge.tip)
