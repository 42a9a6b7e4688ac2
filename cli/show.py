"""``ffebm show``: a network's blocks, shapes and costs, or the compiler's stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ffebm_dsl.cli.console import emit, emit_json, say
from ffebm_dsl.cli.files import STREAM, read_text, write_text
from ffebm_dsl.cli.spec import AllowLargeOption, SetOption, SpecArgument, load_spec, parse_settings
from ffebm_dsl.language.diagnostics import InputError, SourceFile, SpecError

if TYPE_CHECKING:
    from ffebm_dsl.language.ir.model import SpecIR
    from ffebm_dsl.language.ir.tools.count import ModelCount


class After(StrEnum):
    """The stages, in order. See docs/show.md."""

    TOKENS = "tokens"
    AST = "ast"
    RESOLVED = "resolved"
    SHAPES = "shapes"
    IR = "ir"
    MODULES = "modules"


_PASSES = {
    After.AST: "parse",
    After.RESOLVED: "resolve",
    After.SHAPES: "infer_shapes",
    After.IR: "lower",
}
"""Stage -> the pass after which it is final, by the name that the compiler gives it."""


def show(
    spec: SpecArgument,
    settings: SetOption = None,
    allow_large: AllowLargeOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    after: Annotated[
        After | None, typer.Option(help="Print the compiler's result after this stage.")
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
    """Show a network's parts and costs, its diagram, or its circuits.

    With --after, show the result of a stage of the compiler.
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
        if graph.suffix.lower() not in ("", ".svg"):
            help = f"--graph {graph.with_suffix('.svg')}"
            raise InputError(f"--graph {graph}: the picture is SVG", help=help)
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
    inputs, _ = random_batch(spec, 1, seed)
    return netlist(network, inputs, f"model {spec.model.name}")


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


def print_stage(path: Path, after: After, overrides: Mapping[str, str], allow_large: bool) -> None:
    """Print the stage, of a faulty spec too where there is one.

    Raises:
        SpecError: the spec has errors up to this stage.
    """
    source = read_text(path)
    if after is After.TOKENS:
        from ffebm_dsl.language.ir.tools.outline import outline_tokens

        emit(outline_tokens(source).rstrip("\n"))
    elif after is After.MODULES:
        emit(_modules(source, overrides, allow_large))
    else:
        _print_pass(source, _PASSES[after], overrides)


def _print_pass(source: SourceFile, name: str, overrides: Mapping[str, str]) -> None:
    from ffebm_dsl.language.ir.log import Log
    from ffebm_dsl.language.ir.passes import run_stages
    from ffebm_dsl.language.ir.tools.outline import outline

    log = Log(source)
    stages = run_stages(source, overrides, log)
    emit(outline(next(s.result for s in stages if s.name == name), source).rstrip("\n"))
    if log.failed:
        raise SpecError(log.sorted())


def _modules(source: SourceFile, overrides: Mapping[str, str], allow_large: bool) -> str:
    """Every module by its dotted name, with its class and the shapes of its own parameters."""
    from ffebm_dsl.build import build
    from ffebm_dsl.language.ir import BUDGET, compile_spec

    lines = []
    compiled = compile_spec(source, overrides, None if allow_large else BUDGET)
    for name, module in build(compiled.spec).named_modules():
        parameters = module.named_parameters(recurse=False)
        shapes = "".join(f"  {key}{list(value.shape)}" for key, value in parameters)
        lines.append(f"{name or '(network)'}  {type(module).__name__}{shapes}")
    return "\n".join(lines)
