"""One column of the picture: its nodes, frames and the texts that stand beside lines."""

from __future__ import annotations

from collections.abc import Sequence

from ffebm_dsl.tools.drawing.diagram import Diagram, DiagramEdge, DiagramNode, NodeKind, Row
from ffebm_dsl.tools.drawing.metrics import fitted
from ffebm_dsl.tools.drawing.routes import Order, Routes, Trunk
from ffebm_dsl.tools.drawing.scene import Box, Text
from ffebm_dsl.tools.drawing.sizes import (
    FONT,
    PAD,
    SLOT,
    Extent,
    Slots,
    label_lines,
    size,
    slots,
    tag_label,
)

BUS = 9.0
"""Between two lines that run side by side from the middle to the lanes."""
TITLE = 20.0
"""Height of a frame's heading."""


class ColumnScene:
    """Rows are filled in from top to bottom; ``y`` is where the next thing goes.

    ``nodes`` are the nodes' boxes by name, ``exits`` and ``entries`` the heights at which
    a trunk leaves its source and enters a map, by their names.
    """

    def __init__(
        self,
        diagram: Diagram,
        order: Order,
        routes: Routes,
        reach: Extent,
        middle: float,
        top: float,
    ) -> None:
        self.diagram, self.order, self.routes, self.reach = diagram, order, routes, reach
        self.middle, self.y = middle, top
        self.boxes: list[Box] = []
        self.texts: list[Text] = []
        self.nodes: dict[str, Box] = {}
        self.exits: dict[tuple[str, bool], float] = {}
        self.entries: dict[str, float] = {}
        self._frame_top = self._energy_top = top

    def fill(self, rows: Sequence[int]) -> ColumnScene:
        for number in rows:
            self._enter(number, first=number == rows[0])
            self._place(self.diagram.rows[number])
            self._leave(number, last=number == rows[-1])
        return self

    def slots(self, node: str) -> Slots:
        return slots(node, self.routes)

    def slot_y(self, node: str, position: int) -> float:
        """The height at which the line of a slot meets a layer."""
        box, count = self.nodes[node], self.slots(node).height
        return box.y + box.height / 2 + SLOT * (position - (count - 1) / 2) + 2 * (count > 0)

    # Before a row --------------------------------------------------------------------------

    def _enter(self, number: int, *, first: bool) -> None:
        """Open the frames that begin with the row, and leave room for what comes from above."""
        row = self.diagram.rows[number]
        above = self.diagram.rows[number - 1] if number else None
        begins = bool(row.block) and (above is None or above.block != row.block)
        if begins:
            self._frame_top = self.y
            self._heading(row)
        entering = [n.name for n in row.nodes if not row.is_layer and self._enters(n.name)]
        for name in entering:
            self.y += BUS
            self.entries[name] = self.y
        tags = [e for e in self.routes.tags if e.target in {n.name for n in row.nodes}]
        if tags and not row.is_layer:
            self.y += 14
            self.entries |= {edge.target: self.y for edge in tags}
        if begins or entering or tags or first:
            self.y += 9
        if row.is_layer and (begins or (above is not None and not above.is_layer)):
            self._open_energy(row)

    def _enters(self, node: str) -> bool:
        return any(e.target == node for trunk in self.routes.trunks for e in trunk.far)

    def _heading(self, row: Row) -> None:
        """Title on the left, what the block does on the right; the middle is for lines."""
        group = self.diagram.groups[row.block]
        left, right = (self.middle + x for x in self.reach.frame)
        offsets = [self._left_of(row, i) + self._width(n) / 2 for i, n in enumerate(row.nodes)]
        room = self.middle + min(offsets) - left - 2 * PAD
        self.y += TITLE
        title = fitted(group.title, room, FONT, bold=True)
        self.texts.append(Text(left + PAD, self.y - 5, title, "title"))
        self.texts.append(Text(right - PAD, self.y - 5, group.caption, "small muted", "end"))

    def _open_energy(self, row: Row) -> None:
        self._energy_top = self.y
        self.y += TITLE - 4
        words = self.diagram.groups[row.block].energy
        right = self.middle + self.reach.frame[1] - 6
        self.texts.append(Text(right - PAD, self.y - 3, words, "small muted", "end"))
        self.y += 4

    # The row -------------------------------------------------------------------------------

    def _width(self, node: DiagramNode) -> float:
        return size(node, self.reach.layer, self.routes)[0]

    def _left_of(self, row: Row, position: int) -> float:
        """Where a node of the row begins, from the column's middle: the first is in it."""
        widths = [self._width(node) for node in row.nodes[: position + 1]]
        return -widths[0] / 2 - sum(w + 2 * PAD for w in widths[1:])

    def _place(self, row: Row) -> None:
        tallest = max(size(node, self.reach.layer, self.routes)[1] for node in row.nodes)
        for position, node in enumerate(row.nodes):
            wide, high = size(node, self.reach.layer, self.routes)
            x = self.middle + self._left_of(row, position)
            radius = {NodeKind.LAYER: 13.0, NodeKind.MAP: 3.0, NodeKind.END: 3.0}[node.kind]
            box = Box(x, self.y + tallest - high, wide, high, node.kind.value, radius, node.tip)
            self.nodes[node.name] = box
            self.boxes.append(box)
            self._write(node, box)
        self.y += tallest

    def _write(self, node: DiagramNode, box: Box) -> None:
        base = box.y + (box.height / 2 + 4 if node.kind is NodeKind.LAYER else 17)
        right = box.x + box.width - PAD
        self.texts.append(Text(box.x + PAD, base, node.title, "title"))
        self.texts.append(Text(right, base, node.aside, "small muted", "end"))
        if node.kind is NodeKind.LAYER:
            shape = node.lines[0][0]
            self.texts.append(Text(self.middle, base, shape, "shape", "middle"))
            return
        for number, (words, shape) in enumerate(node.lines, start=1):
            self.texts.append(Text(box.x + PAD, base + 14 * number, words, "small"))
            self.texts.append(Text(right, base + 14 * number, shape, "small muted", "end"))

    # After a row ---------------------------------------------------------------------------

    def _leave(self, number: int, *, last: bool) -> None:
        """Close the frames that end with the row; texts and lines between it and the next."""
        rows = self.diagram.rows
        row, below = rows[number], rows[number + 1] if number + 1 < len(rows) else None
        straight = self.routes.straight.get(number)
        if row.block and (below is None or below.block != row.block):
            self._close(row)
        elif row.is_layer:
            self._between_layers(straight)
            return
        if below is None:
            return
        self.y += 6
        if straight:
            self.texts.append(Text(self.middle + 10, self.y + 10, straight.label[0], "small shape"))
        leaving = [t for t in self.routes.trunks if t.below and self._is_in(t, row)]
        for position, trunk in enumerate(leaving):
            self.exits[trunk.source, trunk.inner] = self.y + 4 + BUS * position
        self.y += max(BUS * len(leaving), 14) + (2 if last else 6)

    def _is_in(self, trunk: Trunk, row: Row) -> bool:
        return trunk.source in {node.name for node in row.nodes}

    def _between_layers(self, straight: DiagramEdge | None) -> None:
        lines = [*label_lines(straight), straight.note] if straight else []
        lines = [line for line in lines if line]
        self.y += 9
        for line in lines:
            self.y += 13
            style = "small muted" if straight and line == straight.note else "small"
            self.texts.append(Text(self.middle + 10, self.y - 2, line, style))
        self.y += 9 if lines else 12

    def _close(self, row: Row) -> None:
        left, right = (self.middle + x for x in self.reach.frame)
        if row.is_layer:
            self.y += 9
            high = self.y - self._energy_top
            energy = Box(left + 6, self._energy_top, right - left - 12, high, "energy", 8)
            self.boxes.insert(0, energy)
        self.y += 7
        frame = Box(left, self._frame_top, right - left, self.y - self._frame_top, "frame", 8)
        self.boxes.insert(0, frame)

    def tags(self) -> list[tuple[DiagramEdge, str]]:
        """Uses of ports that stand in another column, with what is written there."""
        return [(e, tag_label(e)) for e in self.routes.tags if e.target in self.nodes]
