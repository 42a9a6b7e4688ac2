"""``ffebm check``: is the spec valid, and are its gradients right?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ffebm_dsl.cli.check_transients import (
    BetaOption,
    DataDirOption,
    DtypeOption,
    OutOption,
    SweepsOption,
    Wanted,
    print_transients,
)
from ffebm_dsl.cli.console import emit, emit_json, say
from ffebm_dsl.cli.spec import AllowLargeOption, SetOption, SpecArgument, compile_file, load_spec
from ffebm_dsl.language.diagnostics import (
    Diagnostic,
    InputError,
    NegativeResult,
    Severity,
    SpecError,
    render,
    to_record,
)

if TYPE_CHECKING:
    from ffebm_dsl.language.ir import Compiled
    from ffebm_dsl.tools.checking import CheckReport, ConstructRow


def check(
    spec: SpecArgument,
    static: Annotated[
        bool, typer.Option("--static", help="Check the text only; compute no gradient.")
    ] = False,
    settings: SetOption = None,
    allow_large: AllowLargeOption = False,
    samples: Annotated[int, typer.Option(min=2, help="Batch size of the gradient check.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, inputs, directions.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: torch decides.")] = 0,
    transients: Annotated[
        bool,
        typer.Option(
            "--transients", help="Compare EP with autodiff sweep by sweep; judge nothing."
        ),
    ] = False,
    out: OutOption = None,
    data_dir: DataDirOption = None,
    dtype: DtypeOption = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Of training, for `as configured`: auto, cpu, cuda or cuda:N. [default: auto]"
        ),
    ] = None,
    beta: BetaOption = None,
    sweeps: SweepsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_sarif: Annotated[bool, typer.Option("--sarif", help="Print a SARIF 2.1.0 log.")] = False,
) -> None:
    """Prove a spec's gradients right.

    First its constructs must keep what they promise; then EP is compared with other methods.
    Exit code 0: right; 1: wrong, or a block does not converge; 2: invalid spec.
    """
    if as_json and as_sarif:
        raise InputError("--json and --sarif exclude each other", help="keep one of them")
    only_transients = Wanted(out, data_dir, dtype, beta, sweeps)
    if transients:
        if static:
            raise InputError("--static and --transients exclude each other", help="keep one")
        if as_sarif:
            raise InputError("--transients finds nothing for --sarif", help="use --json")
        if device is not None:
            raise InputError("--transients runs on the CPU", help="drop --device")
        print_transients(
            spec, settings, only_transients, (samples, seed, threads), as_json, allow_large
        )
        return
    only_transients.refuse()
    if static and (dtype, device) != (None, None):
        raise InputError("--static computes nothing in any dtype", help="drop --dtype or --device")
    measure = _Measure(samples, seed, threads, dtype or "float32", device or "auto")
    if as_json or as_sarif:
        write = partial(_emit_sarif, spec) if as_sarif else _emit_record
        compile_it = partial(compile_file, spec, settings, allow_large)
        _check_as_record(compile_it, static, measure, write)
        return
    compiled = load_spec(spec, settings, allow_large)
    if static:
        emit(f"{compiled.source.name}: ok")
        return
    from ffebm_dsl.cli.check_tables import print_promises, print_report

    measured = _measure(compiled, measure)
    print_promises(measured.constructs, compiled.source.name)
    if measured.report:
        print_report(measured.report, samples, seed)
    for diagnostic in measured.found:
        say("\n" + render(diagnostic))
    if not measured.ok:
        raise NegativeResult(_verdict(measured))


class _Measure(NamedTuple):
    """How the gradient check measures; dtype and device are those of training."""

    samples: int
    seed: int
    threads: int
    dtype: str
    device: str


class _Measured(NamedTuple):
    """What a check found out; without a report where constructs break promises."""

    constructs: Sequence[ConstructRow]
    report: CheckReport | None
    found: Sequence[Diagnostic]

    @property
    def ok(self) -> bool:
        return self.report is not None and self.report.ok

    def to_dict(self) -> dict[str, object]:
        promises = {"constructs": [row.to_dict() for row in self.constructs]}
        return promises | (self.report.to_dict() if self.report else {})


_Write = Callable[[bool, Sequence[Diagnostic], Mapping[str, object]], None]


def _check_as_record(
    compile_it: Callable[[], Compiled],
    static: bool,
    measure: _Measure,
    write: _Write,
) -> None:
    """Write the one JSON object, for faulty specs too; then end as the text form does."""
    try:
        compiled = compile_it()
    except SpecError as error:
        write(False, error.diagnostics, {})
        raise typer.Exit(error.exit_code) from None
    if static:
        write(True, compiled.warnings, {})
        return
    measured = _measure(compiled, measure)
    write(measured.ok, [*compiled.warnings, *measured.found], measured.to_dict())
    if not measured.ok:
        raise typer.Exit(NegativeResult.exit_code)


_EMPTY: Mapping[str, object] = {
    name: [] for name in ("constructs", "gradients", "differences", "beta_sweep", "relaxation")
}


def _emit_record(ok: bool, found: Sequence[Diagnostic], measured: Mapping[str, object]) -> None:
    emit_json({**_EMPTY, **measured, "ok": ok, "diagnostics": [to_record(d) for d in found]})


def _emit_sarif(
    spec: Path, ok: bool, found: Sequence[Diagnostic], measured: Mapping[str, object]
) -> None:
    from ffebm_dsl import __version__
    from ffebm_dsl.language.diagnostics.sarif import to_sarif

    emit_json(to_sarif(found, str(spec), __version__))


def _measure(compiled: Compiled, measure: _Measure) -> _Measured:
    """Promises, then gradients under a progress bar, and what they showed, wrong things first.

    Of constructs that break promises no gradient is worth its time.
    """
    import torch
    from tqdm import tqdm

    from ffebm_dsl.running.training.environment import choose_device, choose_dtype
    from ffebm_dsl.tools.checking import (
        CheckSettings,
        broken_promises,
        check_promises,
        findings,
    )
    from ffebm_dsl.tools.checking import check as check_gradients

    chosen = CheckSettings(
        samples=measure.samples,
        seed=measure.seed,
        dtype=choose_dtype(measure.dtype),
        device=str(choose_device(measure.device)),
    )
    if measure.threads:
        torch.set_num_threads(measure.threads)
    with tqdm(desc="check", unit="solve", leave=False, disable=None) as bar:

        def progress(done: int, total: int, what: str) -> None:
            bar.total = total
            bar.set_postfix_str(what, refresh=False)
            bar.update(done - bar.n)

        try:
            progress(0, 1, "promises of constructs")
            constructs = check_promises(compiled.spec, seed=measure.seed)
            broken = broken_promises(constructs, compiled.source, compiled.places)
            if broken:
                return _Measured(constructs, None, broken)
            report = check_gradients(compiled.spec, chosen, progress)
        except torch.OutOfMemoryError as error:
            raise InputError(
                "the network of this spec does not fit into memory in float64",
                help="check a narrower variant with --set, or fewer --samples",
            ) from error
    found = findings(report, compiled.source, compiled.places)
    return _Measured(
        constructs, report, sorted(found, key=lambda d: d.severity is not Severity.ERROR)
    )


def _verdict(measured: _Measured) -> str:
    report = measured.report
    if report is None:
        broken = sorted({row.name for row in measured.constructs if row.broken})
        return f"promises are broken by {', '.join(broken)}; no gradient was measured"
    if report.unconverged:
        return f"{', '.join(report.unconverged)} did not converge"
    unjudged = report.unjudged
    wrong = {row.tensor for row in report.gradients if not row.agrees} - unjudged
    if not wrong:
        return f"the gradients of {len(unjudged)} tensors cannot be judged"
    return f"the gradients of {len(wrong)} tensors are wrong"
