"""Checks of the model beyond names and shapes: energies, connections, nudging."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ffebm_dsl.language.diagnostics import Label, Span
from ffebm_dsl.language.ir.check.check_energy import check_energy
from ffebm_dsl.language.ir.check.check_feedback import check_feedback
from ffebm_dsl.language.ir.check.check_loss import check_losses
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.resolve.edits import set_argument
from ffebm_dsl.language.ir.resolve.resolved import (
    ResolvedBlock,
    ResolvedMap,
    ResolvedModel,
    ResolvedPort,
    ResolvedSpec,
)
from ffebm_dsl.language.registry import OPS


def check_model(spec: ResolvedSpec, log: Log) -> None:
    """Report faults of the model."""
    model = spec.model
    if model is None:
        return
    for block in model.blocks:
        _check_block(block, log.within(block.expansion))
    check_losses(model, log)
    check_nudge(model, log)
    if not log.failed and not model.blocks:
        # Last: a block that could not be read is missing for a reason already reported.
        log.report(
            "FFE1014",
            f"model `{model.name}` has no block, and therefore nothing that relaxes",
            model.span,
            help="add `block b { ... }`; a network of digital maps only does not need ffebm",
        )
    if not log.failed:
        _warn_of_unused(model, log)


def _check_block(block: ResolvedBlock, log: Log) -> None:
    """A block needs an energy with layers, a drive and an output, and these connected."""
    missing = _missing_part(block)
    if missing and block.whole:
        code, message, remedy = missing
        log.report(code, message, block.span, help=remedy)
    if not missing and block.whole:
        check_energy(block, log)
        check_feedback(block, log)
        _check_connections(block, log)


def _missing_part(block: ResolvedBlock) -> tuple[str, str, str] | None:
    name = f"block `{block.name}`"
    if block.energy is None:
        return "FFE3004", f"{name} has no energy", "add `energy hopfield { ... }`"
    if not block.layers:
        return (
            "FFE3005",
            f"the energy of {name} has no layer",
            "add one, such as `layer s1: [64] hard_sigmoid`",
        )
    if not block.drives:
        return (
            "FFE3007",
            f"nothing drives {name}, so that it cannot depend on the input",
            f"drive a layer from a port: `u -> {block.layers[0].name}`",
        )
    if not block.outputs:
        return (
            "FFE3006",
            f"{name} has no output",
            f"add `out = {block.layers[-1].name}`",
        )
    return None


def _check_connections(block: ResolvedBlock, log: Log) -> None:
    """Follow the couplings from drives and outputs; name the layers that are left over."""
    driven = distances((drive.layer for drive in block.drives), block)
    read = distances((o.layer for o in block.outputs if o.layer), block)
    for output in block.outputs:
        if output.layer and output.layer not in driven:
            log.report(
                "FFE3009",
                f"no drive reaches layer `{output.layer}`, an output of block `{block.name}`",
                output.span,
                help="couple it to a layer that is driven, or drive it",
            )
    outputs = {output.layer for output in block.outputs}
    for layer in block.layers:
        if layer.name not in driven and layer.name not in outputs:
            message = f"no drive reaches layer `{layer.name}`: its state ignores the input"
            log.report("FFEW006", message, layer.span)
        elif layer.name not in read:
            message = f"layer `{layer.name}` does not affect any output of block `{block.name}`"
            log.report("FFEW007", message, layer.span)


def distances(start: Iterable[str], block: ResolvedBlock) -> dict[str, int]:
    """How many couplings each layer is away from the nearest of ``start``."""
    neighbours: dict[str, list[str]] = {layer.name: [] for layer in block.layers}
    for coupling in block.couplings:
        neighbours[coupling.source].append(coupling.target)
        neighbours[coupling.target].append(coupling.source)
    found = dict.fromkeys(start, 0)
    front = list(found)
    while front:
        reached = {n: None for layer in front for n in neighbours[layer] if n not in found}
        distance = found[front[0]] + 1
        found |= dict.fromkeys(reached, distance)
        front = list(reached)
    return found


# Nudging by the loss ---------------------------------------------------------------------


def read_by_loss(model: ResolvedModel) -> ResolvedBlock | None:
    """The block whose output the first readout reads, or the loss where there is no readout."""
    port = _read_port(model)
    owner = port.name.partition(".")[0] if port and port.name else ""
    return next((block for block in model.blocks if block.name == owner), None)


def _read_port(model: ResolvedModel) -> ResolvedPort | None:
    if model.readout:
        return model.readout.source
    return model.losses[0].prediction if model.losses else None


def check_nudge(model: ResolvedModel, log: Log) -> None:
    """``nudge=loss`` holds where the loss depends on one block's state, sample by sample."""
    port = _read_port(model)
    if port is None or port.name is None:
        return
    last = read_by_loss(model)
    stating = [block for block in model.blocks if _nudged_by_loss(block)]
    for block in stating:
        if block is not last and "gradient" in block.own and block.gradient:
            log.within(block.expansion).report(
                "FFE4001",
                f"block `{block.name}` is nudged by the loss, which does not read it",
                block.gradient.span,
                help="write `nudge=cotangent`; only the block that the readout reads can be "
                "nudged by the loss",
                fix=set_argument(block.gradient, "nudge", "cotangent", log.source),
            )
    if stating:
        block = last if last in stating else stating[0]
        labels = [Label(block.gradient.span, "nudge=loss")] if block.gradient else []
        for code, message, span, help in _faults_of_nudge(model, block, last, port):
            help = f"write `nudge=cotangent`{help}"
            log.within(block.expansion).report(code, message, span, labels=labels, help=help)


def _nudged_by_loss(block: ResolvedBlock) -> bool:
    call = block.gradient
    return call is not None and call.arguments.get("nudge") == "loss"


def _faults_of_nudge(
    model: ResolvedModel, block: ResolvedBlock, last: ResolvedBlock | None, port: ResolvedPort
) -> Iterator[tuple[str, str, Span, str]]:
    """Why ``block`` cannot be nudged by the loss: code, message, place, and how its remedy ends."""
    nudge = "nudge=loss follows"
    if model.auxiliary:
        other = model.auxiliary[0]
        message = f"{nudge} the loss of one readout, and `{other.name}` is another"
        yield "FFE4002", message, other.span, ", which nudges every layer that a readout reads"
    elif last is None and "gradient" not in block.own:
        message = f"nudge=loss needs a readout that reads a block, and it reads `{port.name}`"
        yield "FFE4002", message, port.span, ", or move the map's ops into the readout"
    elif last is block:
        outputs = _output_ports(block)
        for reader in (port for port in _read_ports(model) if port.name in outputs):
            message = (
                f"nudge=loss needs block `{block.name}` to be read by the loss alone, "
                "and something else reads it too"
            )
            yield "FFE4002", message, reader.span, ""
        for source in model.readout.sources[1:] if model.readout else ():
            message = f"{nudge} the state of block `{block.name}` alone"
            message += f", and the readout reads `{source.name}` too"
            yield "FFE4002", message, source.span, ""
        for op in model.readout.chain.ops if model.readout else ():
            if op is None or (OPS[op.name].per_sample and not OPS[op.name].random):
                continue
            why = "is random" if OPS[op.name].random else "mixes the samples of a batch"
            message = f"{nudge} the loss of each sample, and `{op.name}` {why}"
            yield "FFE4003", message, op.span, ", or take the op out of the readout"


def _output_ports(block: ResolvedBlock) -> set[str | None]:
    return {f"{block.name}.{output.name}" for output in block.outputs}


def _read_ports(model: ResolvedModel) -> Iterator[ResolvedPort]:
    """Every port that a stage or an auxiliary readout reads."""
    for readout in model.auxiliary:
        yield from readout.sources
    for stage in model.stages:
        maps = (stage,) if isinstance(stage, ResolvedMap) else stage.maps
        for map_ in maps:
            yield from map_.sources
        if isinstance(stage, ResolvedBlock):
            yield from (drive.source for drive in stage.drives)


# Unused ----------------------------------------------------------------------------------


def _warn_of_unused(model: ResolvedModel, log: Log) -> None:
    read = {port.name for port in _read_ports(model)}
    final = _read_port(model)
    if final:
        read.add(final.name)
    if model.readout:
        read |= {port.name for port in model.readout.sources}
    for end in model.inputs:
        if end.name not in read:
            log.report("FFEW012", f"input `{end.name}` is never used", end.named)
    for stage in model.stages:
        maps = (stage,) if isinstance(stage, ResolvedMap) else stage.maps
        inside = log.within(stage.expansion) if isinstance(stage, ResolvedBlock) else log
        for map_ in maps:
            if map_.port not in read:
                inside.report("FFEW003", f"map `{map_.name}` is never used", map_.span)
        if isinstance(stage, ResolvedBlock) and not _output_ports(stage) & read:
            log.report("FFEW005", f"nothing reads block `{stage.name}`", stage.span)
