"""A network as a chain of layers that does not depend on its division into blocks.

A layer is the result of one op with weights: a layer of an energy block, or the part of a digital
map up to its next such op. Its inputs are :class:`Edge` objects: the ops on the way from an earlier
layer, in the order of the data, whether they belong to a feedforward map or to a coupling. Moving a
layer to the next block therefore does not change the chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ffebm_dsl.language.ir.model import BlockIR, CallIR, CouplingIR, FeedforwardIR, ModelIR, OpIR
from ffebm_dsl.language.registry import ACTIVATIONS, OPS

INPUT = 0
"""Number of the first input, the largest of all inputs; layers count from 1."""


@dataclass(frozen=True)
class Reading:
    """Ops on the way from layer ``source`` (inputs are 0, -1, ... in their order; the layer's own
    number is a lateral coupling).

    ``place`` is its part in diagnostics (``b1.u``, ``b1.s1_s2``), ``text`` the same for readers
    (``b1.u -> s1``). ``backward`` is a coupling written from the later layer to the earlier one,
    so that the ops act against the order of the chain.
    """

    source: int
    ops: tuple[OpIR, ...]
    place: str
    text: str
    backward: bool = False


@dataclass(frozen=True)
class ComparedLayer:
    """One layer of the chain: ``number`` from 1, its incoming edges, its activation.

    ``block`` is its energy block, ``""`` for a digital layer.
    """

    number: int
    block: str
    name: str
    edges: tuple[Reading, ...]
    activation: CallIR
    terms: tuple[CallIR, ...] = ()


LINEAR = CallIR("identity")


class _Reach(NamedTuple):
    """The ops at a port since the last layer, which is ``source``."""

    source: int
    ops: tuple[OpIR, ...] = ()
    place: str = ""


Reaches = tuple[_Reach, ...]
"""What reaches a port; several if a map joins ports."""


@dataclass
class _Builder:
    """The chain so far. ``readers`` counts the readers of each port."""

    readers: Mapping[str, int]
    layers: list[ComparedLayer] = field(default_factory=list)
    ports: dict[str, Reaches] = field(default_factory=dict)

    def end(
        self,
        block: str,
        name: str,
        edges: Sequence[Reading],
        activation: CallIR,
        terms: Sequence[CallIR] = (),
    ) -> int:
        """Add a layer; return its number."""
        number = len(self.layers) + 1
        layer = ComparedLayer(number, block, name, tuple(edges), activation, tuple(terms))
        self.layers.append(layer)
        return number


def chain_of(model: ModelIR) -> tuple[ComparedLayer, ...]:
    """The layers of a network in the order of the data, the readouts last."""
    builder = _Builder(_count_readers(model))
    for k, end in enumerate(model.inputs):
        builder.ports[end.name] = (_Reach(INPUT - k),)
    for stage in model.stages:
        if isinstance(stage, BlockIR):
            _add_block(builder, stage)
        else:
            _add_map(builder, stage, stage.name, stage.name)
    for k, readout in enumerate(model.readouts):
        place = readout.name if k else "readout"
        last = _add_map(builder, readout, place, place)
        if any(reach.ops for reach in last):
            _end_digital(builder, last, place)
    return tuple(builder.layers)


def _count_readers(model: ModelIR) -> dict[str, int]:
    counts: dict[str, int] = {}
    for source in _reads(model):
        counts[source] = counts.get(source, 0) + 1
    return counts


def _reads(model: ModelIR) -> Iterator[str]:
    for stage in (*model.stages, *model.readouts):
        maps = stage.feedforwards if isinstance(stage, BlockIR) else (stage,)
        for map_ in maps:
            yield from map_.sources
        if isinstance(stage, BlockIR):
            yield from (drive.source for drive in stage.drives)


def _add_map(builder: _Builder, map_: FeedforwardIR, port: str, place: str) -> Reaches:
    """Follow a map: a layer ends before each further op with weights, the rest stays open.

    A layer also ends at a port with several readers, as what precedes it is computed once.
    """
    reaches = tuple(r._replace(place=r.place or place) for r in builder.ports[map_.source])
    for op in _meaningful(map_.ops):
        weighted = any(OPS[o.name].counted for reach in reaches for o in reach.ops)
        if OPS[op.name].counted and weighted:
            reaches = (_Reach(_end_digital(builder, reaches, reaches[0].place), (), place),)
        if OPS[op.name].joins:
            reaches += builder.ports[op.arguments["port"]]
            # Names of ports are not part of the network.
            op = replace(op, arguments={})
        reaches = tuple(_Reach(reach.source, (*reach.ops, op), place) for reach in reaches)
    if builder.readers.get(port, 0) > 1 and any(reach.ops for reach in reaches):
        reaches = (_Reach(_end_digital(builder, reaches, place), (), ""),)
    builder.ports[port] = reaches
    return reaches


def _end_digital(builder: _Builder, reaches: Reaches, place: str) -> int:
    """End a digital layer; an activation at the end of its ops becomes the layer's."""
    activation, edges = LINEAR, list[Reading]()
    for source, ops, at in reaches:
        if ops and ops[-1].name in ACTIVATIONS:
            activation = CallIR(ops[-1].name, ops[-1].arguments)
            ops = ops[:-1]
        edges.append(Reading(source, ops, at, at))
    return builder.end("", place, edges, activation)


def _meaningful(ops: Sequence[OpIR]) -> list[OpIR]:
    """The ops without those that have no effect: identity, windows of one entry."""
    return [op for op in ops if not OPS[op.name].does_nothing(op)]


def _add_block(builder: _Builder, block: BlockIR) -> None:
    for map_ in block.feedforwards:
        port = f"{block.name}.{map_.name}"
        _add_map(builder, map_, port, port)
    numbers: dict[str, int] = {}
    layers = {layer.name: layer for layer in block.layers}
    touching = _touching(block)
    for name in _order(block, touching):
        number = len(builder.layers) + 1
        numbers[name] = number
        edges = [*_drives(builder, block, name), *_couplings(block, touching[name], name, numbers)]
        terms = [term.call for term in block.terms if term.layer == name]
        builder.end(block.name, name, edges, layers[name].activation, terms)
    for output in block.outputs:
        builder.ports[f"{block.name}.{output.name}"] = (_Reach(numbers[output.layer]),)


def _touching(block: BlockIR) -> dict[str, list[CouplingIR]]:
    """The couplings of each layer, in order."""
    touching: dict[str, list[CouplingIR]] = {layer.name: [] for layer in block.layers}
    for coupling in block.couplings:
        for name in {coupling.source, coupling.target}:
            touching[name].append(coupling)
    return touching


def _order(block: BlockIR, touching: Mapping[str, list[CouplingIR]]) -> list[str]:
    """The layers by their distance from the drives, then in order of declaration."""
    place = {layer.name: number for number, layer in enumerate(block.layers)}
    # Distances are from the first drive: a skip connection drives a late layer too.
    order = dict.fromkeys(drive.layer for drive in block.drives[:1])
    front = list(order)
    for name in front:
        ends = {_other(coupling, name) for coupling in touching[name]} - order.keys()
        following = sorted(ends, key=place.__getitem__)
        order |= dict.fromkeys(following)
        front += following
    return [*order, *(name for name in place if name not in order)]


def _other(coupling: CouplingIR, name: str) -> str:
    """The other end of a coupling of ``name``; ``""`` if ``name`` is not an end."""
    if name == coupling.source:
        return coupling.target
    return coupling.source if name == coupling.target else ""


def _drives(builder: _Builder, block: BlockIR, layer: str) -> Iterator[Reading]:
    for drive in block.drives:
        if drive.layer == layer:
            for reach in builder.ports[drive.source]:
                place = reach.place or block.name
                ops = (*reach.ops, *_meaningful(drive.ops))
                yield Reading(reach.source, ops, place, f"{drive.source} -> {layer}")


def _couplings(
    block: BlockIR, touching: Sequence[CouplingIR], layer: str, numbers: Mapping[str, int]
) -> Iterator[Reading]:
    """Couplings with layers that came before this one, and with itself."""
    for coupling in touching:
        other = _other(coupling, layer)
        if other not in numbers:
            continue
        backward = coupling.source == layer and other != layer
        text = f"{block.name}: {coupling.source} <-> {coupling.target}"
        ops = tuple(_meaningful(coupling.ops))
        yield Reading(numbers[other], ops, f"{block.name}.{coupling.name}", text, backward)
