"""``ffebm show``: a network's blocks, shapes and costs, without building it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ffebm_dsl.cli.console import emit_json, say
from ffebm_dsl.cli.files import STREAM, write_text
from ffebm_dsl.cli.show_stages import After, print_stage
from ffebm_dsl.cli.spec import AllowLargeOption, SetOption, SpecArgument, load_spec, parse_settings
from ffebm_dsl.language.diagnostics import InputError

if TYPE_CHECKING:
    from ffebm_dsl.language.ir.model import SpecIR
    from ffebm_dsl.language.ir.tools.count import ModelCount


def show(
    spec: SpecArgument,
    settings: SetOption = None,
    allow_large: AllowLargeOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    after: Annotated[
        After | None, typer.Option(help="Print what the compiler has after this stage.")
    ] = None,
    graph: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the network as SVG to this file; - is stdout."),
    ] = None,
    netlist: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the circuits of resistive blocks as a SPICE netlist: initial weights, one "
            "random input; - is stdout.",
        ),
    ] = None,
) -> None:
    """Show a network's parts and costs, its picture, or its circuits.

    Or what the compiler makes of the spec, stage by stage.
    """
    from ffebm_dsl.language.ir.tools.count import count

    if sum((as_json, after is not None, graph is not None, netlist is not None)) > 1:
        raise InputError(
            "--json, --after, --graph and --netlist exclude each other", help="keep one of them"
        )
    if after is not None:
        print_stage(spec, after, parse_settings(settings), allow_large)
        return
    compiled = load_spec(spec, settings, allow_large)
    if graph is not None:
        from ffebm_dsl.tools.drawing import draw

        _write(graph, draw(compiled.spec.model, compiled.spec.hardware))
        return
    if netlist is not None:
        _write(netlist, _netlist(compiled.spec))
        return
    counts = count(compiled.spec.model)
    if as_json:
        emit_json({"file": compiled.source.name, **to_record(compiled.spec, counts)})
        return
    from ffebm_dsl.cli.show_tables import print_model

    print_model(compiled.spec, counts, compiled.source.name)


def _write(path: Path, text: str) -> None:
    write_text(path, text)
    if path != STREAM:
        say(f"wrote {path}")


def _netlist(spec: SpecIR) -> str:
    """The circuits with initial weights and one random input.

    Raises:
        InputError: the spec has no resistive block, or one too large.
    """
    import torch

    from ffebm_dsl.build import build
    from ffebm_dsl.tools.checking.problem import random_batch
    from ffebm_dsl.tools.netlist import netlist

    seed = spec.train.seed if spec.train else 0
    network = build(spec, seed=seed, dtype=torch.float64)
    x, _ = random_batch(spec, 1, seed)
    return netlist(network, x, f"model {spec.model.name}")


def to_record(spec: SpecIR, counts: ModelCount) -> dict[str, Any]:
    """The resolved spec and what its model costs, as plain values for JSON."""
    from ffebm_dsl.cli.show_relaxation import compositions_of
    from ffebm_dsl.language.ir.tools.dump import to_json_dict

    compositions = [
        {"block": block.name, "coupling": coupling.name, **asdict(found)}
        for block in spec.model.blocks
        for coupling in block.couplings
        for found in compositions_of(coupling)
    ]
    return {
        **to_json_dict(spec),
        "compositions": compositions,
        "counts": {**asdict(counts), "totals": _totals(counts)},
    }


def _totals(counts: ModelCount) -> dict[str, Any]:
    return {
        "parameters": counts.parameters,
        "digital_parameters": counts.digital_parameters,
        "analog_parameters": counts.analog_parameters,
        "digital_macs": counts.digital_macs,
        "free_phases": asdict(counts.free),
        "all_phases": asdict(counts.step),
        "parameter_bytes": counts.weight_bytes,
        "gradient_bytes": counts.weight_bytes,
        "bytes_per_sample": counts.sample_bytes,
    }
