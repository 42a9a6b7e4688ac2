"""The tables of ``ffebm show``, as wide as the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ffebm_dsl.cli.console import emit_rendered, printable
from ffebm_dsl.cli.show_relaxation import compositions_of, solver_in_words
from ffebm_dsl.language.ir.model import (
    IDEAL,
    BlockIR,
    CallIR,
    FeedforwardIR,
    ModelIR,
    RelaxIR,
    SpecIR,
)
from ffebm_dsl.language.ir.tools import notation
from ffebm_dsl.language.ir.tools.count import BlockCount, MapCount, ModelCount, PhaseCount, backward
from ffebm_dsl.language.registry import PHASES, show_shape

Noises = Mapping[str, tuple[CallIR, ...]]
"""The noises of a device, by its name."""

Row = tuple[str, str, str, str, str]
"""Statement, shape, parameters, MACs, crossings."""

_NOTE = (
    "MACs and crossings are per sample. MACs of a map: its forward pass; of a coupling: one of "
    "its two uses in a sweep; of a phase: all its sweeps, if none ends early. Crossings into "
    "the analog side, and out of it. Memory at float32, without optimizer and workspace."
)


def print_model(spec: SpecIR, counts: ModelCount, file: str) -> None:
    """Print the model and its costs to stdout."""
    header = Text(f"{printable(file)}\n{_header(spec)}")
    noises = {device.name: device.arguments["noise"] for device in spec.hardware}
    stages = _stages(spec.model, counts, noises)
    emit_rendered(Group(header, stages, _totals(counts), Text(""), Text(_NOTE)))


def _header(spec: SpecIR) -> str:
    model = spec.model
    lines = [
        f"model {model.name}",
        *(f"input {end.name}: {end.kind} {show_shape(end.shape)}" for end in model.inputs),
        f"target {model.target.name}: {model.target.kind}({model.target.size})",
    ]
    lines += [f"use {p.name} {p.version}" for p in spec.packages]
    lines += [
        f"hardware {device.name}: {notation.device_in_words(device)}" for device in spec.hardware
    ]
    lines += [f"param {name} = {notation.written(v)}" for name, v in spec.parameters.items()]
    return "\n".join(lines)


def _stages(model: ModelIR, counts: ModelCount, noises: Noises) -> Table:
    """A section for each stage, in order of computation; readouts are the last."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("stage", overflow="fold")
    table.add_column("shape", no_wrap=True)
    for heading in ("params", "MACs", "crossings"):
        table.add_column(heading, justify="right", no_wrap=True)
    for section in _sections(model, counts, noises):
        for row in section:
            statement, *cells = row
            table.add_row(_indented(statement), *map(Text, cells))
        table.add_section()
    return table


def _indented(statement: str) -> Padding:
    """The statement, with its indentation kept on every line that it is wrapped to."""
    text = statement.lstrip(" ")
    return Padding(Text(text), (0, 0, 0, len(statement) - len(text)))


def _sections(model: ModelIR, counts: ModelCount, noises: Noises) -> Iterator[list[Row]]:
    blocks, maps = iter(counts.blocks), iter(counts.maps)
    for stage in model.stages:
        if isinstance(stage, BlockIR):
            yield list(_block_rows(stage, next(blocks), noises.get(stage.hardware, ())))
        else:
            yield [_map_row("feedforward", stage, next(maps))]
    costs = (counts.readout, *counts.auxiliary)
    rows = [_map_row("readout", *pair) for pair in zip(model.readouts, costs, strict=True)]
    loss = notation.written_loss(model, {r.name: r.name for r in model.readouts})
    yield [*rows, (f"loss = {loss}", "", "", "", "")]


def _block_rows(block: BlockIR, counts: BlockCount, noises: tuple[CallIR, ...]) -> Iterator[Row]:
    """The parts of a block; ``noises`` are those of its hardware."""
    shapes = {layer.name: show_shape(layer.shape) for layer in block.layers}
    on = "" if block.hardware == IDEAL else f" on {block.hardware}"
    yield f"block {block.name}: {block.energy}{on}", "", "", "", ""
    for feedforward, cost in zip(block.feedforwards, counts.maps, strict=True):
        yield _map_row("  feedforward", feedforward, cost)
    for layer in block.layers:
        activation = notation.written_briefly(layer.activation, "activations")
        yield f"  layer {layer.name}: {activation}", shapes[layer.name], "", "", ""
    for drive, counted in zip(block.drives, counts.drives, strict=True):
        numbers = (f"{counted.parameters:,}", _short(counted.macs)) if drive.ops else ("", "")
        statement = f"  {notation.connection(drive)}"
        yield statement, shapes[drive.layer], *numbers, f"{counted.size:,} in"
    for coupling, share in zip(block.couplings, counts.couplings, strict=True):
        ends = f"{shapes[coupling.source]}\n<-> {shapes[coupling.target]}"
        statement = f"  {notation.connection(coupling)}"
        yield statement, ends, f"{share.parameters:,}", _short(share.macs), ""
        for found in compositions_of(coupling):
            names = " |> ".join(found.ops)
            yield f"    {names} computed as {found.form}", "", "", _short(found.macs), ""
    for line in notation.energy_in_words(block):
        yield f"  {line}", "", "", "", ""
    for term, held in zip(block.terms, counts.terms, strict=True):
        call = notation.written_briefly(term.call, "terms")
        numbers = (f"{held.parameters:,}", _short(held.macs))
        yield f"  {term.layer} : {call}", shapes[term.layer], *numbers, ""
    for output, values in zip(block.outputs, counts.outputs, strict=True):
        crossing = f"{values:,} out"
        yield f"  {output.name} = {output.layer}", shapes[output.layer], "", "", crossing
    free, after = counts.phases
    solver = solver_in_words(block, block.free, noises)
    yield _phase_row(f"free phase: {_relaxation(block.free, solver)}", free)
    yield _phase_row(_backward(block, solver_in_words(block, block.nudged, noises)), after)
    yield f"  gradient {notation.written_in_full(block.gradient)}", "", "", "", ""


def _map_row(keyword: str, feedforward: FeedforwardIR, cost: MapCount) -> Row:
    chain = notation.feedforward_chain(feedforward.ops)
    statement = f"{keyword} {feedforward.name} = {feedforward.source}"
    shapes = f"{show_shape(feedforward.in_shape)}\n-> {show_shape(feedforward.out_shape)}"
    return (
        f"{statement} |> {chain}" if chain else statement,
        shapes,
        f"{cost.parameters:,}",
        _short(cost.macs),
        "",
    )


def _phase_row(statement: str, phase: PhaseCount) -> Row:
    times = f"{phase.runs} x " if phase.runs > 1 else ""
    crossings = f"{times}{phase.to_analog:,} in\n{times}{phase.to_digital:,} out"
    return f"  {statement}", "", "", _short(phase.macs), crossings


def _backward(block: BlockIR, solver: str) -> str:
    back = backward(block)
    if back.text:
        return back.text
    times = f"{back.runs} nudged phases, each" if back.runs > 1 else "nudged phase:"
    return f"{times} {_relaxation(block.nudged, solver)}"


def _relaxation(relax: RelaxIR, solver: str) -> str:
    sweeps = f"{relax.sweeps} sweeps"
    parts = [
        f"at most {sweeps}, tolerance {relax.tolerance:g}" if relax.tolerance else sweeps,
        relax.order,
    ]
    if relax.damping:
        parts.append(f"damping {relax.damping:g}")
    if relax.over_relaxation > 1:
        parts.append(f"over-relaxed by {relax.over_relaxation:g}")
    if relax.routing.name != PHASES["free"].parameter("routing").default:
        parts.append(f"routing {notation.written_in_full(relax.routing)}")
    if solver:
        parts.append(solver)
    if relax.noise:
        noises = (notation.written_briefly(noise, "noises") for noise in relax.noise)
        parts.append(f"noise {', '.join(noises)}")
    if relax.start == "feedforward":
        parts.append("started by a feedforward pass")
    return ", ".join(parts)


def _totals(counts: ModelCount) -> Table:
    free, step, weights = counts.free, counts.step, _short(counts.weight_bytes)
    table = Table.grid(padding=(0, 2))
    for label, text in (
        (
            "parameters",
            f"{counts.parameters:,}: {counts.digital_parameters:,} digital, "
            f"{counts.analog_parameters:,} analog",
        ),
        (
            "MACs",
            f"{_short(counts.digital_macs)} digital; analog {_short(free.macs)} in free phases, "
            f"{_short(step.macs)} in all phases of a step",
        ),
        (
            "crossings",
            f"into analog {free.to_analog:,} in free phases, {step.to_analog:,} in all; "
            f"out of it {free.to_digital:,} and {step.to_digital:,}",
        ),
        (
            "memory",
            f"parameters {weights}B, gradients {weights}B, "
            f"{_short(counts.sample_bytes)}B for each sample of a batch",
        ),
    ):
        table.add_row(label, Text(text))
    return table


def _short(value: float) -> str:
    """Three digits and a prefix: ``35.4 M``."""
    prefix, *larger = ("", "k", "M", "G", "T", "P")
    while value >= 1000 and larger:
        value, prefix = value / 1000, larger.pop(0)
    return f"{value:.3g} {prefix}" if prefix else f"{value:g} "
