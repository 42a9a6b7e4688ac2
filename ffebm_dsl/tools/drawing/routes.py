"""Routes of all edges, determined before coordinates.

Nodes are arranged vertically, and an edge takes one of five routes:

- *straight*, from a node to the next one;
- in a *trunk*: all other uses of one port, through a lane left of the nodes. Lanes inside the
  block's frame are for the block's own nodes, lanes outside of it for all others;
- in an *arc*: a coupling of layers that are not neighbours, through a lane on the right;
- in a *loop*: a coupling of a layer with itself;
- by a *tag*, the port's name at the target, if the source is in another column.

Nodes are in the middle and lanes beside them, so that no line passes through a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ffebm_dsl.tools.drawing.diagram import Diagram, DiagramEdge


class Trunk(NamedTuple):
    """The uses of a port in one column, inside a block's frame (``inner``) or outside."""

    source: str
    edges: tuple[DiagramEdge, ...]
    inner: bool
    lane: int = 0


class Arc(NamedTuple):
    """``upper`` and ``lower`` are the upper and lower ends."""

    edge: DiagramEdge
    upper: str
    lower: str
    lane: int = 0


class Slots(NamedTuple):
    """The lines at the sides of a node, from top to bottom; a loop uses two slots."""

    left: tuple[DiagramEdge | Trunk, ...]
    right: tuple[DiagramEdge | Arc, ...]

    @property
    def height(self) -> int:
        loops = sum(isinstance(item, DiagramEdge) for item in self.right)
        return max(len(self.left), len(self.right) + loops)


class Routes(NamedTuple):
    """``straight`` edges are by their upper node."""

    straight: Mapping[str, DiagramEdge]
    trunks: tuple[Trunk, ...]
    arcs: tuple[Arc, ...]
    loops: tuple[DiagramEdge, ...]
    tags: tuple[DiagramEdge, ...]

    def lanes(self, *, inner: bool) -> int:
        """The number of lanes on the left, inside or outside of frames."""
        return max((t.lane + 1 for t in self.trunks if t.inner is inner), default=0)

    @property
    def right_lanes(self) -> int:
        return max((arc.lane + 1 for arc in self.arcs), default=0)

    def slots(self, node: str) -> Slots:
        """Arrivals above departures, so that few lanes cross."""
        tags = [e for e in self.tags if e.target == node]
        arriving = [(not t.inner, t.lane, e) for t in self.trunks for e in t.edges]
        arriving = [found for found in arriving if found[2].target == node]
        arriving.sort(key=lambda found: found[:2])
        leaving = [t for t in self.trunks if t.source == node]
        loops = [e for e in self.loops if e.source == node]
        above = sorted((a for a in self.arcs if a.lower == node), key=lambda a: a.lane)
        below = sorted((a for a in self.arcs if a.upper == node), key=lambda a: -a.lane)
        return Slots((*tags, *(e for *_, e in arriving), *leaving), (*loops, *above, *below))


def find_routes(diagram: Diagram, columns: Sequence[range]) -> Routes:
    """The routes of all edges of the diagram."""
    order = {node.name: i for i, node in enumerate(diagram.nodes)}
    column = {diagram.nodes[i].name: c for c, rows in enumerate(columns) for i in rows}
    loops = tuple(e for e in diagram.edges if e.source == e.target)
    tags = tuple(e for e in diagram.edges if column[e.source] != column[e.target])
    straight: dict[str, DiagramEdge] = {}
    couplings: list[DiagramEdge] = []
    uses: list[DiagramEdge] = []
    for edge in diagram.edges:
        if edge in loops or edge in tags:
            continue
        upper, lower = sorted((edge.source, edge.target), key=order.__getitem__)
        if order[lower] == order[upper] + 1 and upper not in straight:
            straight[upper] = edge
        else:
            (couplings if edge.symmetric else uses).append(edge)
    return Routes(straight, _trunks(uses, diagram, order), _arcs(couplings, order), loops, tags)


# A lane is occupied from just after its upper end to just before its lower one: at a node,
# arrivals come before departures.


def _trunks(
    uses: Iterable[DiagramEdge], diagram: Diagram, order: Mapping[str, int]
) -> tuple[Trunk, ...]:
    grouped: dict[tuple[str, bool], list[DiagramEdge]] = {}
    for edge in uses:
        block = diagram.nodes[order[edge.source]].block
        inner = bool(block) and block == diagram.nodes[order[edge.target]].block
        grouped.setdefault((edge.source, inner), []).append(edge)
    trunks = [Trunk(source, tuple(edges), inner) for (source, inner), edges in grouped.items()]
    done: list[Trunk] = []
    for inner in (True, False):
        beside = [t for t in trunks if t.inner is inner]
        ends = [max(order[e.target] for e in t.edges) for t in beside]
        lanes = assign_lanes([(order[t.source], end) for t, end in zip(beside, ends, strict=True)])
        done += [t._replace(lane=lane) for t, lane in zip(beside, lanes, strict=True)]
    return tuple(done)


def _arcs(couplings: Iterable[DiagramEdge], order: Mapping[str, int]) -> tuple[Arc, ...]:
    arcs = []
    for edge in couplings:
        upper, lower = sorted((edge.source, edge.target), key=order.__getitem__)
        arcs.append(Arc(edge, upper, lower))
    lanes = assign_lanes([(order[a.upper], order[a.lower]) for a in arcs])
    return tuple(a._replace(lane=lane) for a, lane in zip(arcs, lanes, strict=True))


def assign_lanes(spans: Sequence[tuple[float, float]]) -> list[int]:
    """A lane for each span, 0 the innermost: short spans inside, without overlaps in a lane."""
    lanes = [0] * len(spans)
    taken: list[list[tuple[float, float]]] = []
    for i in sorted(range(len(spans)), key=lambda i: (spans[i][1] - spans[i][0], spans[i][0], i)):
        low, high = spans[i]
        lane = 0
        while lane < len(taken) and any(low <= b and a <= high for a, b in taken[lane]):
            lane += 1
        if lane == len(taken):
            taken.append([])
        taken[lane].append((low, high))
        lanes[i] = lane
    return lanes
