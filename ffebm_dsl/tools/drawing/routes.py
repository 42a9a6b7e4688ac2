"""Which way each edge runs, before anything has coordinates.

Rows stand below one another, so an edge runs in one of five ways:

- *straight*, from the middle of a row to the middle of the next;
- in a *trunk*: all other uses of one port, through a lane left of the nodes. Lanes inside
  the block's frame serve its own layers, lanes outside of it everything further down;
- in an *arc*: a coupling of layers that do not follow one another, through a lane on the
  right;
- in a *loop*: a coupling of a layer with itself;
- by a *tag*, the port's name at the target, where that is in another column.

Only nodes are in the middle and only lanes beside them, so that no line
passes through a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ffebm_dsl.tools.drawing.diagram import Diagram, DiagramEdge, Row


class Trunk(NamedTuple):
    """A port's uses in one column. ``near`` are maps of the next row, reached without a lane."""

    source: str
    near: tuple[DiagramEdge, ...]
    far: tuple[DiagramEdge, ...]
    inner: bool
    below: bool
    """Whether it leaves the source below, and not on the left."""
    lane: int = 0


class Arc(NamedTuple):
    """``upper`` and ``lower`` are the ends' nodes by their rows."""

    edge: DiagramEdge
    upper: str
    lower: str
    lane: int = 0


class Routes(NamedTuple):
    """``straight`` by the upper row's number."""

    straight: dict[int, DiagramEdge]
    trunks: tuple[Trunk, ...]
    arcs: tuple[Arc, ...]
    loops: tuple[DiagramEdge, ...]
    tags: tuple[DiagramEdge, ...]

    @property
    def lanes(self) -> tuple[int, int, int]:
        """How many lanes there are: inner, outer, right."""
        inner = [t.lane + 1 for t in self.trunks if t.inner and t.far]
        outer = [t.lane + 1 for t in self.trunks if not t.inner and t.far]
        right = [a.lane + 1 for a in self.arcs]
        return max(inner, default=0), max(outer, default=0), max(right, default=0)


class Order(NamedTuple):
    """Where the nodes are: rows by number, and which column each row is in."""

    rows: tuple[Row, ...]
    at: dict[str, int]
    column: tuple[int, ...]

    @classmethod
    def of(cls, diagram: Diagram, columns: Sequence[range]) -> Order:
        at = {node.name: i for i, row in enumerate(diagram.rows) for node in row.nodes}
        column = [number for number, rows in enumerate(columns) for _ in rows]
        return cls(diagram.rows, at, tuple(column))

    def row(self, node: str) -> Row:
        return self.rows[self.at[node]]

    def is_layer(self, node: str) -> bool:
        return self.row(node).is_layer

    def leaves_below(self, node: str) -> bool:
        """Digital nodes do, and a layer after which its block has no other."""
        number = self.at[node]
        below = self.rows[number + 1] if number + 1 < len(self.rows) else None
        return not self.is_layer(node) or below is None or below.block != self.rows[number].block


def find_routes(diagram: Diagram, order: Order) -> Routes:
    """Every edge of the diagram on its way."""
    loops = tuple(e for e in diagram.edges if e.source == e.target)
    rest = [e for e in diagram.edges if e.source != e.target]
    straight = _straight(rest, order)
    taken = {id(edge) for edge in straight.values()}
    rest = [e for e in rest if id(e) not in taken]
    couplings = [e for e in rest if e.symmetric]
    uses = [e for e in rest if not e.symmetric]
    tags = tuple(e for e in uses if _column(e.source, order) != _column(e.target, order))
    trunks = _trunks([e for e in uses if e not in tags], order)
    return Routes(straight, trunks, _arcs(couplings, order), loops, tags)


def _column(node: str, order: Order) -> int:
    return order.column[order.at[node]]


def _straight(edges: Iterable[DiagramEdge], order: Order) -> dict[int, DiagramEdge]:
    found: dict[int, DiagramEdge] = {}
    for edge in edges:
        upper, lower = sorted((order.at[edge.source], order.at[edge.target]))
        middle = {order.rows[upper].nodes[0].name, order.rows[lower].nodes[0].name}
        if lower == upper + 1 and middle == {edge.source, edge.target}:
            found.setdefault(upper, edge)
    return found


def _trunks(uses: Iterable[DiagramEdge], order: Order) -> tuple[Trunk, ...]:
    grouped: dict[tuple[str, bool], list[DiagramEdge]] = {}
    for edge in uses:
        block = order.row(edge.source).block
        inner = bool(block) and block == order.row(edge.target).block
        grouped.setdefault((edge.source, inner), []).append(edge)
    trunks = []
    for (source, inner), edges in grouped.items():
        below = order.leaves_below(source)
        near = tuple(e for e in edges if below and _is_near(e, order))
        far = tuple(e for e in edges if e not in near)
        trunks.append(Trunk(source, near, far, inner, below))
    done = [trunk for trunk in trunks if not trunk.far]
    for inner in (True, False):
        lane_of = [t for t in trunks if t.far and t.inner is inner]
        spans = [(_start(t, order), max(_entry(e.target, order) for e in t.far)) for t in lane_of]
        lanes = assign_lanes(spans)
        done += [t._replace(lane=lane) for t, lane in zip(lane_of, lanes, strict=True)]
    return tuple(done)


def _is_near(edge: DiagramEdge, order: Order) -> bool:
    next_row = order.at[edge.target] == order.at[edge.source] + 1
    return next_row and not order.is_layer(edge.target)


# A lane's ends in units of rows: a layer's arrivals come before its departures, and what
# leaves a row below is above what enters the next row from above.


def _start(trunk: Trunk, order: Order) -> float:
    return order.at[trunk.source] + (0.3 if trunk.below else 0.1)


def _entry(node: str, order: Order) -> float:
    return order.at[node] - (0.1 if order.is_layer(node) else 0.3)


def _arcs(couplings: Iterable[DiagramEdge], order: Order) -> tuple[Arc, ...]:
    arcs = []
    for edge in couplings:
        upper, lower = sorted((edge.source, edge.target), key=lambda node: order.at[node])
        arcs.append(Arc(edge, upper, lower))
    lanes = assign_lanes([(order.at[a.upper] + 0.1, order.at[a.lower] - 0.1) for a in arcs])
    return tuple(a._replace(lane=lane) for a, lane in zip(arcs, lanes, strict=True))


_APART = 0.3
"""What ends at a node and what begins there are kept in two lanes."""


def assign_lanes(spans: Sequence[tuple[float, float]]) -> list[int]:
    """A lane for each span, 0 the innermost: short spans inside, no two that overlap in one."""
    lanes = [0] * len(spans)
    taken: list[list[tuple[float, float]]] = []
    for i in sorted(range(len(spans)), key=lambda i: (spans[i][1] - spans[i][0], spans[i][0], i)):
        low, high = spans[i]
        lane = 0
        while lane < len(taken) and any(
            low < b + _APART and a < high + _APART for a, b in taken[lane]
        ):
            lane += 1
        if lane == len(taken):
            taken.append([])
        taken[lane].append((low, high))
        lanes[i] = lane
    return lanes
