"""``ffebm check``: is the spec valid, and are its gradients right?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ffebm_dsl.cli.console import emit, emit_json, say
from ffebm_dsl.cli.spec import SetOption, SpecArgument, compile_file, load_spec
from ffebm_dsl.diagnostics import (
    Diagnostic,
    InputError,
    NegativeResult,
    Severity,
    SpecError,
    render,
    to_record,
)

if TYPE_CHECKING:
    from ffebm_dsl.checking import CheckReport
    from ffebm_dsl.ir import Compiled


def check(
    spec: SpecArgument,
    static: Annotated[
        bool, typer.Option("--static", help="Check the text only; compute no gradient.")
    ] = False,
    settings: SetOption = None,
    samples: Annotated[int, typer.Option(min=2, help="Batch size of the gradient check.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, inputs, directions.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: torch decides.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove a spec's gradients right: EP against implicit, unrolled and finite differences.

    Exit code 0: right; 1: a gradient is wrong or a block does not converge; 2: invalid spec.
    """
    if as_json:
        _check_as_json(spec, settings, static, (samples, seed, threads))
        return
    compiled = load_spec(spec, settings)
    if static:
        emit(f"{compiled.source.name}: ok")
        return
    report, found = _measure(compiled, samples, seed, threads)
    from ffebm_dsl.cli.check_tables import print_report

    print_report(report, compiled.source.name, samples, seed)
    for diagnostic in found:
        say("\n" + render(diagnostic))
    if not report.ok:
        raise NegativeResult(_verdict(report))


def _check_as_json(
    spec: Path, settings: list[str] | None, static: bool, measure: tuple[int, int, int]
) -> None:
    """Print the one JSON object, for faulty specs too; then end as the text form does."""
    try:
        compiled = compile_file(spec, settings)
    except SpecError as error:
        emit_json({"ok": False, **_empty(), "diagnostics": _records(error.diagnostics)})
        raise typer.Exit(error.exit_code) from None
    if static:
        emit_json({"ok": True, **_empty(), "diagnostics": _records(compiled.warnings)})
        return
    report, found = _measure(compiled, *measure)
    diagnostics = _records([*compiled.warnings, *found])
    emit_json({"ok": report.ok, "diagnostics": diagnostics, **report.to_dict()})
    if not report.ok:
        raise typer.Exit(NegativeResult.exit_code)


def _empty() -> dict[str, Any]:
    return {"gradients": [], "beta_sweep": [], "relaxation": []}


def _records(diagnostics: tuple[Diagnostic, ...] | list[Diagnostic]) -> list[dict[str, Any]]:
    return [to_record(diagnostic) for diagnostic in diagnostics]


def _measure(
    compiled: Compiled, samples: int, seed: int, threads: int
) -> tuple[CheckReport, list[Diagnostic]]:
    """The gradient check under a progress bar, and what it found, wrong things first."""
    import torch
    from tqdm import tqdm

    from ffebm_dsl.checking import CheckSettings, findings
    from ffebm_dsl.checking import check as check_gradients

    if threads:
        torch.set_num_threads(threads)
    with tqdm(desc="check", unit="solve", leave=False, disable=None) as bar:

        def progress(done: int, total: int, what: str) -> None:
            bar.total = total
            bar.set_postfix_str(what, refresh=False)
            bar.update(done - bar.n)

        try:
            report = check_gradients(
                compiled.spec, CheckSettings(samples=samples, seed=seed), progress
            )
        except torch.OutOfMemoryError as error:
            raise InputError(
                "the network of this spec does not fit into memory in float64",
                help="check a narrower variant with --set, or fewer --samples",
            ) from error
    found = findings(report, compiled.source, compiled.places)
    return report, sorted(found, key=lambda d: d.severity is not Severity.ERROR)


def _verdict(report: CheckReport) -> str:
    if report.unconverged:
        return f"{', '.join(report.unconverged)} did not converge"
    wrong = {row.tensor for row in report.gradients if not row.agrees}
    return f"the gradients of {len(wrong)} tensors are wrong"
