"""Differences between two layers of two chains, op by op."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ffebm_dsl.language.ir.model import CallIR, OpIR
from ffebm_dsl.language.ir.tools.notation import written, written_briefly
from ffebm_dsl.language.registry import OPS
from ffebm_dsl.tools.comparison.align import align
from ffebm_dsl.tools.comparison.layer_chain import INPUT, ComparedLayer, Reading

NONE = "none"
AT_BOUNDARIES = frozenset({"activation", "normalisation", "bias"})
"""Kinds of differences that may be due to a block's boundary alone."""

DRAWN = frozenset({"init", "gain"})
"""Arguments of ops that only affect initial weights, and do not distinguish networks."""

_GAP = 3.0
_COST = {"weights": 6.0, "pooling": 0.75, "op": 0.75, "normalisation": 0.25}
"""Contribution of a different or additional op of each kind to the distance of two layers.

Norms, activations and biases depend on the boundaries of blocks and contribute little; an unpaired
layer costs more than a different pooling, norm and number of channels together.
"""
_ARGUMENT, _ACTIVATION = 0.75, 0.1
_COST_OF_ARGUMENT = {"bias": 0.1, **dict.fromkeys(DRAWN, 0.0)}


@dataclass(frozen=True)
class Side:
    """One network's side of a difference: layer number (0: none), part, and value.

    ``place`` is the part's name in the IR, ``text`` the name for readers.
    """

    layer: int
    place: str
    text: str
    has: str


@dataclass(frozen=True)
class Difference:
    """``what`` is layer, connection, weights, channels, bias, pooling, normalisation,
    activation, the name of another argument (kernel, padding, ...) or op; input, target or loss of
    the model; or one of ``DRAWN``, which is a difference of settings.

    ``at_boundary``: a block begins or ends here in one of the two networks.
    """

    what: str
    a: Side
    b: Side
    at_boundary: bool = False


def kind_of(op: CallIR) -> str:
    """The kind of an op; ops of the same kind are compared with each other."""
    construct = OPS[op.name]
    return "weights" if construct.counted else construct.role


def distance(a: ComparedLayer, b: ComparedLayer) -> float:
    """The dissimilarity of two layers; beyond twice the gap they are not paired."""
    far = _ACTIVATION * (a.activation != b.activation)
    # Before the alignment is known, edges from the same distance are compared.
    shift = b.number - a.number
    for edge_a, edge_b in _pair_edges(a, b, lambda source: source + shift):
        if edge_a is None or edge_b is None:
            far += _COST["op"]
            continue
        for op_a, op_b in _align_ops(edge_a.ops, edge_b.ops):
            far += _op_distance(op_a, op_b)
    return far


def align_layers(
    a: Sequence[ComparedLayer], b: Sequence[ComparedLayer]
) -> list[tuple[ComparedLayer | None, ComparedLayer | None]]:
    return align(a, b, distance, _GAP)


def _op_distance(a: OpIR | None, b: OpIR | None) -> float:
    if a is not None and b is not None and a.name == b.name:
        return sum(_COST_OF_ARGUMENT.get(name, _ARGUMENT) for name, _, _ in _changed(a, b))
    return max(_COST[kind_of(op)] for op in (a, b) if op is not None)


def _align_ops(a: Sequence[OpIR], b: Sequence[OpIR]) -> list[tuple[OpIR | None, OpIR | None]]:
    def cost(x: OpIR, y: OpIR) -> float:
        return 0.0 if x.name == y.name else 0.5 if kind_of(x) == kind_of(y) else 3.0

    return align(a, b, cost, gap=1.0)


def _changed(a: OpIR, b: OpIR) -> Iterator[tuple[str, object, object]]:
    for name, value in a.arguments.items():
        if value != b.arguments[name]:
            yield name, value, b.arguments[name]


def compare_layers(
    a: ComparedLayer, b: ComparedLayer, partner: Mapping[int, int]
) -> Iterator[Difference]:
    """All differences of two corresponding layers.

    ``partner`` maps layer numbers of A to those of B; inputs correspond by their order.
    """

    def answering(source: int) -> int | None:
        return partner.get(source) if source > INPUT else source

    of_both = {*partner.values()}
    for edge_a, edge_b in _pair_edges(a, b, answering):
        if edge_a is None or edge_b is None:
            yield _other_edge(a, b, edge_a, edge_b)
            continue
        source = answering(edge_a.source)
        # A layer of one network only is reported elsewhere, as a difference of its own.
        in_both = source is not None and (edge_b.source <= INPUT or edge_b.source in of_both)
        if in_both and source != edge_b.source:
            yield _other_edge(a, b, edge_a, edge_b)
        side_a = Side(a.number, edge_a.place, edge_a.text, "")
        side_b = Side(b.number, edge_b.place, edge_b.text, "")
        yield from _compare_ops(edge_a.ops, edge_b.ops, side_a, side_b)
        if edge_a.backward != edge_b.backward:
            directions = [
                "against the data" if e.backward else "along the data" for e in (edge_a, edge_b)
            ]
            yield Difference(
                "direction", replace(side_a, has=directions[0]), replace(side_b, has=directions[1])
            )
    if a.activation != b.activation:
        yield Difference("activation", activation_side(a), activation_side(b))
    if a.terms != b.terms:
        yield Difference("terms", _terms_side(a), _terms_side(b))


def activation_side(layer: ComparedLayer) -> Side:
    block = f"{layer.block}." if layer.block else ""
    has = written_briefly(layer.activation, "activations")
    return Side(layer.number, layer.edges[0].place, f"{block}{layer.name}", has)


def _terms_side(layer: ComparedLayer) -> Side:
    has = ", ".join(written_briefly(term, "terms") for term in layer.terms) or NONE
    return replace(activation_side(layer), has=has)


def whole_layer(layer: ComparedLayer) -> Side:
    """A layer as a whole: its ops, and its place."""
    edge = layer.edges[0]
    ops = [written_briefly(op, "ops") for op in edge.ops]
    text = " |> ".join([*ops, written_briefly(layer.activation, "activations")])
    return Side(layer.number, edge.place, edge.text, text)


def nowhere(has: str = NONE) -> Side:
    return Side(0, "", "", has)


def _pair_edges(
    a: ComparedLayer, b: ComparedLayer, partner: Callable[[int], int | None]
) -> Iterator[tuple[Reading | None, Reading | None]]:
    """Edges from corresponding layers; then the remaining ones, in order."""
    left = list(b.edges)
    alone: list[Reading] = []
    for edge in a.edges:
        match = next((e for e in left if e.source == partner(edge.source)), None)
        if match is None:
            alone.append(edge)
        else:
            left.remove(match)
            yield edge, match
    for position in range(max(len(alone), len(left))):
        yield (
            alone[position] if position < len(alone) else None,
            left[position] if position < len(left) else None,
        )


def _other_edge(
    a: ComparedLayer, b: ComparedLayer, edge_a: Reading | None, edge_b: Reading | None
) -> Difference:
    def side(layer: ComparedLayer, edge: Reading | None) -> Side:
        if edge is None:
            return Side(layer.number, layer.edges[0].place, layer.edges[0].text, NONE)
        ops = " |> ".join(written_briefly(op, "ops") for op in edge.ops)
        has = f"from {_origin(edge)}: {ops or 'as it is'}"
        return Side(layer.number, edge.place, edge.text, has)

    return Difference("connection", side(a, edge_a), side(b, edge_b))


def _origin(edge: Reading) -> str:
    if edge.source > INPUT:
        return f"layer {edge.source}"
    return f"input {1 - edge.source}" if edge.source < INPUT else "the input"


def _compare_ops(
    a: Sequence[OpIR], b: Sequence[OpIR], side_a: Side, side_b: Side
) -> Iterator[Difference]:
    for op_a, op_b in _align_ops(a, b):
        if op_a is not None and op_b is not None and op_a.name == op_b.name:
            for name, value_a, value_b in _changed(op_a, op_b):
                yield Difference(
                    _argument(op_a, name),
                    replace(side_a, has=_said(op_a, name, value_a)),
                    replace(side_b, has=_said(op_b, name, value_b)),
                )
            continue
        present = op_a or op_b
        assert present is not None, "an alignment pairs nothing with nothing"
        texts = [NONE if op is None else written_briefly(op, "ops") for op in (op_a, op_b)]
        yield Difference(
            kind_of(present), replace(side_a, has=texts[0]), replace(side_b, has=texts[1])
        )


def _argument(op: OpIR, name: str) -> str:
    """The word for a differing argument."""
    if name == OPS[op.name].counted:
        return "channels" if len(op.out_shape) == 3 else "features"
    return name if kind_of(op) == "weights" else kind_of(op)


def _said(op: OpIR, name: str, value: object) -> str:
    text = written(value)  # type: ignore[arg-type]
    bare = name == OPS[op.name].counted or _argument(op, name) in DRAWN
    return text if bare else f"{name}={text}"
