"""What is drawn of a network: nodes in rows, and the edges between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from ffebm_dsl.language.ir.model import (
    IDEAL,
    BlockIR,
    CallIR,
    CouplingIR,
    DriveIR,
    FeedforwardIR,
    LayerIR,
    ModelIR,
    OpIR,
)
from ffebm_dsl.language.ir.tools.count import coupling_parameters, op_parameters
from ffebm_dsl.language.ir.tools.notation import (
    coupling_chain,
    feedforward_chain,
    options,
    written_briefly,
    written_loss,
)
from ffebm_dsl.language.registry import CONVERTERS, GRADIENTS, Shape, show_shape


class NodeKind(Enum):
    END = "end"
    MAP = "map"
    LAYER = "layer"


class DiagramNode(NamedTuple):
    """``name`` is unique in the network. ``lines`` are pairs of texts, left and right."""

    name: str
    kind: NodeKind
    title: str
    aside: str
    lines: tuple[tuple[str, str], ...] = ()
    tip: str = ""


class DiagramEdge(NamedTuple):
    """From one node to a later one; ``symmetric`` for a coupling, also of a layer with itself.

    ``label`` are the parts of the text at the edge, each kept on one line.
    """

    source: str
    target: str
    label: tuple[str, ...]
    symmetric: bool = False
    note: str = ""
    tip: str = ""


class Row(NamedTuple):
    """Nodes side by side; the first is in the middle of the column.

    ``block`` is ``""`` outside blocks. ``stage`` counts the stages: a column of the picture
    begins with a new one.
    """

    nodes: tuple[DiagramNode, ...]
    stage: int
    block: str = ""

    @property
    def is_layer(self) -> bool:
        return self.nodes[0].kind is NodeKind.LAYER


class DiagramGroup(NamedTuple):
    """A block: what is written on its frame."""

    title: str
    caption: str
    energy: str


class Diagram(NamedTuple):
    title: str
    description: str
    rows: tuple[Row, ...]
    edges: tuple[DiagramEdge, ...]
    groups: dict[str, DiagramGroup]


def make_diagram(
    model: ModelIR, hardware: Sequence[CallIR] = (), *, stacked: bool = False
) -> Diagram:
    """Rows in order of computation; an edge for every use of a port and every coupling.

    ``hardware`` is what blocks are on: its converters are written on the edges they are in.

    ``stacked`` sets the maps of a block below one another, not side by side: a narrow
    picture of a network with many of them.
    """
    rows = tuple(_rows(model, stacked))
    blocks = list(model.blocks)
    return Diagram(
        title=f"Network {model.name}",
        description=" ".join(_sentences(model)),
        rows=rows,
        edges=tuple(_edges(model, {device.name: device for device in hardware})),
        groups={block.name: _group(block) for block in blocks},
    )


def _rows(model: ModelIR, stacked: bool) -> Iterator[Row]:
    input_ = model.input
    yield Row((DiagramNode(input_.name, NodeKind.END, input_.name, input_.kind),), 0)
    number = 0
    for number, stage in enumerate(model.stages, start=1):
        if isinstance(stage, FeedforwardIR):
            yield Row((_map(stage, stage.name),), number)
            continue
        maps = _maps(stage)
        if stacked:
            yield from (Row((node,), number, stage.name) for node in reversed(maps))
        elif maps:
            yield Row(tuple(maps), number, stage.name)
        for layer in stage.layers:
            yield Row((_layer(layer, stage),), number, stage.name)
    for readout in model.readouts:
        if readout.ops:
            number += 1
            yield Row((_map(readout, readout.name),), number)
    target = f"{model.target.name}: {model.target.kind}({model.target.size})"
    names = " + ".join(dict.fromkeys(term.call.name for term in model.losses))
    yield Row((DiagramNode("loss", NodeKind.END, names, target),), number + 1)


def _maps(block: BlockIR) -> list[DiagramNode]:
    """The block's maps; the one that drives the first layer is in the middle."""
    first = block.layers[0].name if block.layers else ""
    driving = {drive.source for drive in block.drives if drive.layer == first}
    nodes = [_map(map_, f"{block.name}.{map_.name}") for map_ in block.feedforwards]
    return sorted(nodes, key=lambda node: node.name not in driving)


def _map(map_: FeedforwardIR, name: str) -> DiagramNode:
    lines = tuple((written_briefly(op, "ops"), show_shape(op.out_shape)) for op in map_.ops)
    tip = f"{map_.name} = {map_.source} |> {feedforward_chain(map_.ops)}".removesuffix(" |> ")
    return DiagramNode(name, NodeKind.MAP, map_.name, _parameters(map_.ops), lines, tip)


def _layer(layer: LayerIR, block: BlockIR) -> DiagramNode:
    activation = written_briefly(layer.activation, "activations")
    shape = show_shape(layer.shape)
    terms = [written_briefly(t.call, "terms") for t in block.terms if t.layer == layer.name]
    tip = "; ".join([f"layer {layer.name}: {shape} {activation}", *terms])
    lines = ((shape, ""), *((term, "") for term in terms))
    return DiagramNode(
        f"{block.name}:{layer.name}", NodeKind.LAYER, layer.name, activation, lines, tip
    )


def _group(block: BlockIR) -> DiagramGroup:
    gradient = written_briefly(block.gradient, "gradients")
    phases = f"{block.free.sweeps} sweeps free"
    if GRADIENTS[block.gradient.name].nudges:
        phases += f", {block.nudged.sweeps} nudged"
    on = "" if block.hardware == IDEAL else f" on {block.hardware}"
    return DiagramGroup(
        f"block {block.name}", f"{gradient}; {phases}", f"energy {block.energy}{on}"
    )


def _parameters(ops: tuple[OpIR, ...]) -> str:
    return _stated(sum(op_parameters(op) for op in ops))


def _stated(parameters: int) -> str:
    return f"{parameters:,} parameters" if parameters else ""


# Edges -----------------------------------------------------------------------------------


def _edges(model: ModelIR, devices: Mapping[str, CallIR]) -> Iterator[DiagramEdge]:
    owners = _owners(model)
    leaving = {
        f"{block.name}:{output.layer}": _converter(devices.get(block.hardware), "outputs")
        for block in model.blocks
        for output in block.outputs
    }
    for edge in _bare_edges(model, owners, devices):
        passed = () if edge.symmetric else leaving.get(edge.source, ())
        yield edge._replace(label=(*passed, *edge.label))


def _converter(device: CallIR | None, key: str) -> tuple[str, ...]:
    """A device's converter as a line of a label; nothing for an ideal one."""
    call = device.arguments[key] if device is not None else None
    if not isinstance(call, CallIR) or CONVERTERS[call.name].into_analog is None:
        return ()
    return (written_briefly(call, "converters"),)


def _bare_edges(
    model: ModelIR, owners: dict[str, str], devices: Mapping[str, CallIR]
) -> Iterator[DiagramEdge]:
    """The edges with the converters into the analog side."""
    ports = _port_shapes(model)

    def reads(map_: FeedforwardIR, name: str) -> Iterator[DiagramEdge]:
        for port in dict.fromkeys(map_.sources):
            yield _use(port, name, show_shape(ports[port]), owners)

    for stage in model.stages:
        if isinstance(stage, FeedforwardIR):
            yield from reads(stage, stage.name)
            continue
        for map_ in stage.feedforwards:
            yield from reads(map_, f"{stage.name}.{map_.name}")
        shapes = {layer.name: show_shape(layer.shape) for layer in stage.layers}
        for drive in stage.drives:
            edge = _drive(drive, stage.name, shapes[drive.layer], owners)
            entering = _converter(devices.get(stage.hardware), "drives")
            yield edge._replace(label=(*entering, *edge.label))
        yield from (_coupling(coupling, stage.name) for coupling in stage.couplings)
    for readout in model.readouts:
        end = readout.name if readout.ops else "loss"
        yield from reads(readout, end)
        if readout.ops:
            yield DiagramEdge(readout.name, "loss", (show_shape(readout.out_shape),))


def _port_shapes(model: ModelIR) -> dict[str, Shape]:
    """The shape at every port."""
    shapes = {model.input.name: model.input.shape}
    for stage in model.stages:
        if isinstance(stage, FeedforwardIR):
            shapes[stage.name] = stage.out_shape
            continue
        shapes |= {f"{stage.name}.{map_.name}": map_.out_shape for map_ in stage.feedforwards}
        layers = {layer.name: layer.shape for layer in stage.layers}
        shapes |= {f"{stage.name}.{out.name}": layers[out.layer] for out in stage.outputs}
    return shapes


def _owners(model: ModelIR) -> dict[str, str]:
    """The node at which each block's output is found, by port; other ports are nodes."""
    return {
        f"{block.name}.{output.name}": f"{block.name}:{output.layer}"
        for block in model.blocks
        for output in block.outputs
    }


def _use(port: str, target: str, shape: str, owners: dict[str, str]) -> DiagramEdge:
    return DiagramEdge(owners.get(port, port), target, (shape,), note=port, tip=f"{port}: {shape}")


def _drive(drive: DriveIR, block: str, shape: str, owners: dict[str, str]) -> DiagramEdge:
    edge = _use(drive.source, f"{block}:{drive.layer}", shape, owners)
    if not drive.ops:
        return edge
    note = _parameters(drive.ops)
    label = (*_label(drive.ops), *_options("drive", drive.settings))
    return edge._replace(label=label, note=note, tip=_drive_text(drive))


def _drive_text(drive: DriveIR) -> str:
    ends = f"{drive.source} -> {drive.layer}"
    label = (*_label(drive.ops), *_options("drive", drive.settings))
    return f"{ends} : {' '.join(label)}" if label else ends


def _options(connection: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The settings that are not as by default, as a line of a label."""
    text = options(connection, settings).strip()
    return (text,) if text else ()


def _label(ops: tuple[OpIR, ...]) -> tuple[str, ...]:
    """The ops of a coupling or a drive, one a line."""
    written = [coupling_chain([op]) for op in ops]
    return (*written[:1], *(f"|> {op}" for op in written[1:]))


def _coupling(coupling: CouplingIR, block: str) -> DiagramEdge:
    label = (*_label(coupling.ops), *_options("coupling", coupling.settings))
    ends = f"{coupling.source} <-> {coupling.target}"
    return DiagramEdge(
        f"{block}:{coupling.source}",
        f"{block}:{coupling.target}",
        label,
        symmetric=True,
        note=_stated(coupling_parameters(coupling)),
        tip=" : ".join(filter(None, (ends, " ".join(label)))),
    )


def _sentences(model: ModelIR) -> Iterator[str]:
    """The picture in words, for readers who cannot see it."""
    yield f"Input {model.input.name} {show_shape(model.input.shape)}."
    for stage in model.stages:
        if isinstance(stage, FeedforwardIR):
            yield f"Map {_map(stage, '').tip}."
            continue
        maps = [f"map {_map(map_, '').tip}" for map_ in stage.feedforwards]
        layers = [_layer(layer, stage).tip for layer in stage.layers]
        drives = [_drive_text(drive) for drive in stage.drives]
        couplings = [_coupling(coupling, "").tip for coupling in stage.couplings]
        outputs = [f"output {o.name} = {o.layer}" for o in stage.outputs]
        parts = [*maps, *layers, *drives, *couplings, *outputs]
        yield f"Block {stage.name}: {'; '.join(parts)}."
    yield from (f"Readout {_map(readout, '').tip}." for readout in model.readouts if readout.ops)
    if len(model.losses) == 1:
        yield f"Loss {model.losses[0].call.name} with target {model.target.name}."
    else:
        yield f"Loss {written_loss(model, {r.name: r.name for r in model.readouts})}."
