"""The diagram of a network: nodes in order, and the edges between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    connection,
    coupling_chain,
    feedforward_chain,
    options,
    written_briefly,
    written_loss,
)
from ffebm_dsl.language.registry import CONVERTERS, GRADIENTS, show_shape


class DiagramNode(NamedTuple):
    """``kind`` is end, map or layer. ``name`` is unique in the network.

    ``lines`` are pairs of left and right texts below ``title`` and ``aside``. ``stage`` is the
    number of the stage; columns of the drawing begin with a new stage. ``block`` is ``""`` outside
    blocks.
    """

    kind: str
    name: str
    title: str
    aside: str
    lines: tuple[tuple[str, str], ...] = ()
    tip: str = ""
    stage: int = 0
    block: str = ""

    @property
    def is_layer(self) -> bool:
        return self.kind == "layer"


class DiagramEdge(NamedTuple):
    """An edge to the same or a later node; ``symmetric`` for a coupling, lateral ones included.

    ``label`` are the parts of its text, each kept on one line; ``parameters`` is their number in
    words. ``port`` is the source of a one-way edge.
    """

    source: str
    target: str
    label: tuple[str, ...]
    symmetric: bool = False
    parameters: str = ""
    port: str = ""
    tip: str = ""


class DiagramGroup(NamedTuple):
    """A block, with the text on its frame."""

    title: str
    caption: str
    energy: str


class Diagram(NamedTuple):
    title: str
    description: str
    nodes: tuple[DiagramNode, ...]
    edges: tuple[DiagramEdge, ...]
    groups: dict[str, DiagramGroup]


def make_diagram(model: ModelIR, hardware: Sequence[CallIR] = ()) -> Diagram:
    """Nodes in order of computation; an edge for every use of a port and every coupling.

    ``hardware`` are the devices of blocks, whose converters are shown on their edges.
    """
    return Diagram(
        title=f"Network {model.name}",
        description=" ".join(_sentences(model)),
        nodes=tuple(_nodes(model)),
        edges=tuple(_edges(model, {device.name: device for device in hardware})),
        groups={block.name: _group(block) for block in model.blocks},
    )


def _nodes(model: ModelIR) -> Iterator[DiagramNode]:
    yield from (DiagramNode("end", end.name, end.name, end.kind) for end in model.inputs)
    number = 0
    for number, stage in enumerate(model.stages, start=1):
        if isinstance(stage, FeedforwardIR):
            yield _map(stage, stage.name)._replace(stage=number)
            continue
        nodes = (*_maps(stage), *(_layer(layer, stage) for layer in stage.layers))
        yield from (node._replace(stage=number, block=stage.name) for node in nodes)
    for readout in model.readouts:
        if readout.ops:
            number += 1
            yield _map(readout, readout.name)._replace(stage=number)
    target = f"{model.target.name}: {model.target.kind}({model.target.size})"
    names = " + ".join(dict.fromkeys(term.call.name for term in model.losses))
    yield DiagramNode("end", "loss", names, target, stage=number + 1)


def _maps(block: BlockIR) -> list[DiagramNode]:
    """The block's maps; the one that drives the first layer comes last."""
    first = block.layers[0].name if block.layers else ""
    driving = {drive.source for drive in block.drives if drive.layer == first}
    nodes = [_map(map_, f"{block.name}.{map_.name}") for map_ in block.feedforwards]
    return sorted(nodes, key=lambda node: node.name in driving)


def _map(map_: FeedforwardIR, name: str) -> DiagramNode:
    lines = tuple((written_briefly(op, "ops"), show_shape(op.out_shape)) for op in map_.ops)
    tip = f"{map_.name} = {map_.source} |> {feedforward_chain(map_.ops)}".removesuffix(" |> ")
    return DiagramNode("map", name, map_.name, _parameters(map_.ops), lines, tip)


def _layer(layer: LayerIR, block: BlockIR) -> DiagramNode:
    activation = written_briefly(layer.activation, "activations")
    shape = show_shape(layer.shape)
    terms = [written_briefly(t.call, "terms") for t in block.terms if t.layer == layer.name]
    tip = "; ".join([f"layer {layer.name}: {shape} {activation}", *terms])
    name, lines = f"{block.name}:{layer.name}", tuple((term, "") for term in terms)
    return DiagramNode("layer", name, layer.name, f"{shape}  {activation}", lines, tip)


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


class _Port(NamedTuple):
    """The node of a port, its shape, and the converter that it has passed."""

    node: str
    shape: str
    passed: tuple[str, ...] = ()


def _converter(device: CallIR | None, key: str) -> tuple[str, ...]:
    """A device's converter as a line of a label; empty for an ideal one."""
    call = device.arguments[key] if device is not None else None
    if not isinstance(call, CallIR) or CONVERTERS[call.name].into_analog is None:
        return ()
    return (written_briefly(call, "converters"),)


def _edges(model: ModelIR, devices: Mapping[str, CallIR]) -> Iterator[DiagramEdge]:
    ports = {end.name: _Port(end.name, show_shape(end.shape)) for end in model.inputs}

    def read(map_: FeedforwardIR, name: str) -> Iterator[DiagramEdge]:
        for port in dict.fromkeys(map_.sources):
            yield _use(port, ports[port], name)
        ports[name] = _Port(name, show_shape(map_.out_shape))

    for stage in model.stages:
        if isinstance(stage, FeedforwardIR):
            yield from read(stage, stage.name)
            continue
        for map_ in stage.feedforwards:
            yield from read(map_, f"{stage.name}.{map_.name}")
        device = devices.get(stage.hardware)
        entering, passed = (_converter(device, key) for key in ("drives", "outputs"))
        for drive in stage.drives:
            yield _drive(drive, ports[drive.source], f"{stage.name}:{drive.layer}", entering)
        yield from (_coupling(coupling, stage.name) for coupling in stage.couplings)
        shapes = {layer.name: show_shape(layer.shape) for layer in stage.layers}
        for output in stage.outputs:
            layer = f"{stage.name}:{output.layer}"
            ports[f"{stage.name}.{output.name}"] = _Port(layer, shapes[output.layer], passed)
    for readout in model.readouts:
        yield from read(readout, readout.name if readout.ops else "loss")
        if readout.ops:
            yield _use(readout.name, ports[readout.name], "loss")


def _use(name: str, port: _Port, target: str) -> DiagramEdge:
    label = (*port.passed, port.shape)
    return DiagramEdge(port.node, target, label, port=name, tip=f"{name}: {port.shape}")


def _drive(drive: DriveIR, port: _Port, layer: str, entering: tuple[str, ...]) -> DiagramEdge:
    edge = _use(drive.source, port, layer)
    label = _label(drive.ops, "drive", drive.settings) if drive.ops else (port.shape,)
    tip = connection(drive) if drive.ops else edge.tip
    parameters = _parameters(drive.ops)
    label = (*port.passed, *entering, *label)
    return edge._replace(label=label, parameters=parameters, tip=tip)


def _coupling(coupling: CouplingIR, block: str) -> DiagramEdge:
    return DiagramEdge(
        f"{block}:{coupling.source}",
        f"{block}:{coupling.target}",
        _label(coupling.ops, "coupling", coupling.settings),
        symmetric=True,
        parameters=_stated(coupling_parameters(coupling)),
        tip=connection(coupling),
    )


def _label(ops: Sequence[OpIR], kind: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The ops of a coupling or drive and its settings other than defaults, one per line."""
    written = [coupling_chain([op]) for op in ops]
    stated = options(kind, settings).strip()
    return (*written[:1], *(f"|> {op}" for op in written[1:]), *filter(None, [stated]))


def _sentences(model: ModelIR) -> Iterator[str]:
    """A description of the network in words, for screen readers."""
    yield from (f"Input {end.name} {show_shape(end.shape)}." for end in model.inputs)
    for stage in model.stages:
        if isinstance(stage, FeedforwardIR):
            yield f"Map {_map(stage, '').tip}."
            continue
        maps = [f"map {_map(map_, '').tip}" for map_ in stage.feedforwards]
        layers = [_layer(layer, stage).tip for layer in stage.layers]
        drives, couplings = map(connection, stage.drives), map(connection, stage.couplings)
        outputs = [f"output {o.name} = {o.layer}" for o in stage.outputs]
        parts = [*maps, *layers, *drives, *couplings, *outputs]
        yield f"Block {stage.name}: {'; '.join(parts)}."
    yield from (f"Readout {_map(readout, '').tip}." for readout in model.readouts if readout.ops)
    if len(model.losses) == 1:
        yield f"Loss {model.losses[0].call.name} with target {model.target.name}."
    else:
        yield f"Loss {written_loss(model, {r.name: r.name for r in model.readouts})}."
