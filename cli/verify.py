"""``ffebm verify``: does a spec train here as it did where its reference was written?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ffebm_dsl.cli.console import emit, emit_json, say
from ffebm_dsl.cli.numbers import LARGEST
from ffebm_dsl.cli.spec import SpecArgument, compile_file, parse_settings
from ffebm_dsl.language.diagnostics import InputError, NegativeResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ffebm_dsl.language.ir import Compiled
    from ffebm_dsl.tools.reproduction.reference import Finished, Mismatch, ReferenceResult

STEPS = 5
SHOWN = 5
"""Differences that are printed; ``--json`` has them all."""


def verify(
    spec: SpecArgument,
    write: Annotated[
        bool, typer.Option("--write", help="Write a new reference, computed on this machine.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="With --write: a value for the short training, such as width=8. May be repeated.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, max=LARGEST, help="With --write: steps of the short training."),
    ] = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN",
            help="With --write: a finished run, or the folder of a sweep, whose results the "
            "reference is to hold. Without --set and --steps its short training is repeated "
            "as it was. May be repeated. [default: those that it holds]",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Reproduce the reference training of a spec.

    SPEC.reference.json contains the losses, norms and sweeps of a few steps in float64, on
    synthetic samples. They are computed again, and differences larger than rounding are printed.
    Exit code 1: there are differences.
    """
    if not write and (settings or steps is not None or results):
        raise InputError(
            "--set, --steps and --results are options of --write",
            help="add --write; without it, the settings stored in the reference are used",
        )
    if write:
        _write(spec, parse_settings(settings), steps, results or [], as_json)
    else:
        _verify(spec, as_json)


def _write(
    spec: Path, overrides: dict[str, str], steps: int | None, runs: Sequence[Path], as_json: bool
) -> None:
    compiled = _compiled(spec, overrides)
    from ffebm_dsl.tools.experiments.results import expand, read_result
    from ffebm_dsl.tools.reproduction import reference as references

    path = references.path_of(spec)
    results: Sequence[Finished]
    if runs:
        found = [read_result(run) for run in expand(runs)]
        results = references.finished(found, compiled.source.text)
    else:
        results = references.kept(path, compiled)
    if runs and not overrides and steps is None:
        known = references.of_text(path, compiled)
        if known is not None:
            overrides, steps = dict(known.overrides), known.steps
            compiled = _compiled(spec, overrides)
    reference = references.measured(compiled, overrides, steps or STEPS)
    references.write(replace(reference, results=results), path)
    if as_json:
        emit_json({"reference": str(path), "amplification": reference.amplification})
    else:
        limit = f"{reference.limit:.1e}"
        say(f"wrote {path}: {reference.steps} steps, to be reproduced to {limit}")


def _compiled(spec: Path, overrides: dict[str, str]) -> Compiled:
    return compile_file(spec, [f"{key}={value}" for key, value in overrides.items()])


def _verify(spec: Path, as_json: bool) -> None:
    compiled = _compiled(spec, {})
    from ffebm_dsl.tools.reproduction import reference as references
    from ffebm_dsl.tools.reproduction.curve import curve

    path = references.find(spec, compiled.source)
    reference = references.read(path)
    overrides = dict(reference.overrides)
    if overrides:
        compiled = _compiled(spec, overrides)
    differing, largest = references.differences(
        reference, curve(compiled, overrides, reference.steps)
    )
    around = references.changed_surroundings(reference) if differing else []
    if differing and references.text_changed(reference, compiled):
        around.insert(0, "the spec's text is not the one that the reference was written from")
    if as_json:
        _emit_json(path, reference, differing, largest, around)
    else:
        _tell(spec, reference, differing, largest, around)
    if differing:
        raise typer.Exit(NegativeResult.exit_code)


def _emit_json(
    path: Path,
    reference: ReferenceResult,
    differing: Sequence[Mismatch],
    largest: float,
    around: Sequence[str],
) -> None:
    from dataclasses import asdict

    emit_json(
        {
            "reproduced": not differing,
            "reference": str(path),
            "largest": largest,
            "limit": reference.limit,
            "differences": [asdict(d) for d in differing],
            "surroundings": list(around),
        }
    )


def _tell(
    spec: Path,
    reference: ReferenceResult,
    differing: Sequence[Mismatch],
    largest: float,
    around: Sequence[str],
) -> None:
    limit = (
        f"limit {reference.limit:.1e}; this training amplifies rounding "
        f"{reference.amplification:.2g} times"
    )
    if differing:
        emit(f"{spec}: not reproduced; first at {differing[0].place} ({limit})")
        for d in differing[:SHOWN]:
            emit(f"  {d.place}: {d.expected!r} in the reference, {d.found!r} here, {d.apart:.1e}")
        if len(differing) > SHOWN:
            emit(f"  and {len(differing) - SHOWN} more")
        for line in around:
            emit(f"  {line}")
    else:
        emit(f"{spec}: {reference.steps} steps reproduced to {largest:.1e} ({limit})")
    for entry in reference.results:
        emit(_described(entry))


def _described(entry: Finished) -> str:
    """Finished trainings in one line."""
    from ffebm_dsl.tools.experiments.statistics import mean_of

    mean = mean_of([*entry.values.values()])
    percent = entry.metric != "loss"
    scale, unit, form = (100, " %", ".2f") if percent else (1, "", ".4g")
    spread = f" +- {scale * mean.deviation:{form}}" if mean.count > 1 else ""
    settings = "".join(f", {key}={value}" for key, value in entry.overrides.items())
    return (
        f"trained for {entry.epochs} epochs{settings}: {entry.on} {entry.metric} "
        f"{scale * mean.mean:{form}}{spread}{unit} (seeds {', '.join(map(str, entry.values))})"
    )
