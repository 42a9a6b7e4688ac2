"""The lines of a column, with the labels that stand at a layer's side."""

from __future__ import annotations

from collections.abc import Iterator

from ffebm_dsl.tools.drawing.column import ColumnScene
from ffebm_dsl.tools.drawing.diagram import DiagramEdge
from ffebm_dsl.tools.drawing.routes import Arc, Trunk
from ffebm_dsl.tools.drawing.scene import Box, Line, Point, Text
from ffebm_dsl.tools.drawing.sizes import LANE, stub_label

LOOP = 24.0
"""How far the loop of a lateral coupling reaches."""


def column_lines(column: ColumnScene) -> Iterator[Line]:
    """Every line that begins and ends in the column; its labels are added to the column."""
    yield from _straight(column)
    for trunk in column.routes.trunks:
        if trunk.source in column.nodes:
            yield from _trunk(trunk, column)
    for arc in column.routes.arcs:
        if arc.upper in column.nodes:
            yield _arc(arc, column)
    for loop in column.routes.loops:
        if loop.source in column.nodes:
            yield _loop(loop, column)
    for edge, words in column.tags():
        yield _tag(edge, words, column)


def connector(
    edge: DiagramEdge, column: ColumnScene, following: ColumnScene, gutter: float, top: float
) -> Line:
    """The line from the foot of one column to the head of the next."""
    start, end = column.nodes[edge.source], following.nodes[edge.target]
    points = (
        (column.middle, start.y + start.height),
        (column.middle, column.y + 4),
        (gutter, column.y + 4),
        (gutter, top),
        (following.middle, top),
        (following.middle, end.y),
    )
    return Line(points, "one-way", tip=edge.tip)


def _straight(column: ColumnScene) -> Iterator[Line]:
    for edge in column.routes.straight.values():
        if edge.source in column.nodes and edge.target in column.nodes:
            upper, lower = sorted((column.nodes[edge.source], column.nodes[edge.target]), key=_top)
            points = ((column.middle, upper.y + upper.height), (column.middle, lower.y))
            style = "symmetric" if edge.symmetric else "one-way"
            yield Line(points, style, edge.symmetric, edge.tip)


def _top(box: Box) -> float:
    return box.y


def _centre(box: Box) -> float:
    return box.x + box.width / 2


def _trunk(trunk: Trunk, column: ColumnScene) -> Iterator[Line]:
    source = column.nodes[trunk.source]
    first = column.reach.inner if trunk.inner else column.reach.outer
    lane = column.middle + first - LANE * trunk.lane
    if trunk.below:
        height = column.exits[trunk.source, trunk.inner]
        start: tuple[Point, ...] = (
            (_centre(source), source.y + source.height),
            (_centre(source), height),
        )
    else:
        position = column.slots(trunk.source).left.index(trunk)
        height = column.slot_y(trunk.source, position)
        start = ((source.x, height),)
    for edge in trunk.near:
        target = column.nodes[edge.target]
        points = (*start, (_centre(target), height), (_centre(target), target.y))
        yield Line(points, "one-way", tip=edge.tip)
    for edge in trunk.far:
        points = (*start, (lane, height), *_arrival(edge, lane, column))
        yield Line(points, "one-way", tip=edge.tip)


def _arrival(edge: DiagramEdge, lane: float, column: ColumnScene) -> tuple[Point, ...]:
    """From a lane into a node: a layer's side, or a map's top."""
    target = column.nodes[edge.target]
    if edge.target in column.entries:
        height = column.entries[edge.target]
        return (lane, height), (_centre(target), height), (_centre(target), target.y)
    height = _left_stub(edge, stub_label(edge), column)
    return (lane, height), (target.x, height)


def _left_stub(edge: DiagramEdge, words: str, column: ColumnScene) -> float:
    """The height at which an edge meets the left of a layer, its label written above it."""
    box = column.nodes[edge.target]
    position = next(i for i, e in enumerate(column.slots(edge.target).left) if e is edge)
    height = column.slot_y(edge.target, position)
    column.texts.append(Text(box.x - 8, height - 4, words, "small shape", "end"))
    return height


def _arc(arc: Arc, column: ColumnScene) -> Line:
    lane = column.middle + column.reach.right + LANE * arc.lane
    ends = []
    for node in (arc.upper, arc.lower):
        ends.append((_right(column.nodes[node]), _right_y(node, arc, column)))
    (x, y), (x2, y2) = ends
    column.texts.append(Text(x + 8, y - 4, stub_label(arc.edge), "small"))
    points = ((x, y), (lane, y), (lane, y2), (x2, y2))
    return Line(points, "symmetric", True, arc.edge.tip)


def _right(box: Box) -> float:
    return box.x + box.width


def _right_y(node: str, item: Arc | DiagramEdge, column: ColumnScene) -> float:
    """Where a line meets the right of a layer; a loop takes its slot and the next."""
    position = 0
    for other in column.slots(node).right:
        if other is item:
            break
        position += 2 if isinstance(other, DiagramEdge) else 1
    return column.slot_y(node, position)


def _loop(edge: DiagramEdge, column: ColumnScene) -> Line:
    box = column.nodes[edge.source]
    x, y = _right(box), _right_y(edge.source, edge, column)
    below = column.slot_y(edge.source, 1) - column.slot_y(edge.source, 0) + y
    words = stub_label(edge)
    column.texts.append(Text(x + LOOP + 6, (y + below) / 2 + 4, words, "small"))
    points = ((x, y), (x + LOOP, y), (x + LOOP, below), (x, below))
    return Line(points, "symmetric", True, edge.tip)


def _tag(edge: DiagramEdge, words: str, column: ColumnScene) -> Line:
    """A short arrow from the name of a port that is in another column."""
    box = column.nodes[edge.target]
    if edge.target in column.entries:
        height = column.entries[edge.target]
        column.texts.append(Text(_centre(box), height - 4, words, "small shape", "middle"))
        return Line(((_centre(box), height), (_centre(box), box.y)), "one-way", tip=edge.tip)
    height = _left_stub(edge, words, column)
    start = column.middle + column.reach.inner + 4
    return Line(((start, height), (box.x, height)), "one-way", tip=edge.tip)
