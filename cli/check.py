"""``ffebm check``: is the spec valid, and are its gradients right?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, Protocol

import typer

from ffebm_dsl.cli.check_data import DataDirOption, data_record, print_data, read_data
from ffebm_dsl.cli.check_transients import (
    BetaOption,
    DtypeOption,
    OutOption,
    SweepsOption,
    Wanted,
    print_transients,
)
from ffebm_dsl.cli.completion import spec_files
from ffebm_dsl.cli.console import emit, emit_json, progress_bar, say
from ffebm_dsl.cli.files import name_of
from ffebm_dsl.cli.numbers import LARGEST, MOST_THREADS
from ffebm_dsl.cli.spec import AllowLargeOption, SetOption, compile_file, load_spec
from ffebm_dsl.language.diagnostics import (
    Diagnostic,
    InputError,
    NegativeResult,
    Piece,
    Role,
    Severity,
    SpecError,
    pieces,
    to_record,
)

if TYPE_CHECKING:
    from ffebm_dsl.language.ir import Compiled
    from ffebm_dsl.tools.checking.check_report import CheckReport
    from ffebm_dsl.tools.checking.used_constructs import ConstructRow


_Found = Sequence[tuple[str, Sequence[Diagnostic]]]
"""The names of specs' files, each with the diagnostics of its spec."""

SpecsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="SPEC",
        autocompletion=spec_files,
        help="A spec: an .ffe file, or .yaml or .json as `ffebm convert` writes it. With --static "
        "there may be several.",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        help="Device of the gradients `as configured`: auto, cpu, cuda or cuda:N. [default: auto]"
    ),
]


def check(
    specs: SpecsArgument,
    static: Annotated[
        bool, typer.Option("--static", help="Check the text only; compute no gradient.")
    ] = False,
    settings: SetOption = None,
    allow_large: AllowLargeOption = False,
    samples: Annotated[
        int | None,
        typer.Option(min=2, max=LARGEST, help="Batch size of the gradient check. [default: 4]"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST, help="Seed of weights, inputs, directions. [default: 0]"),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_THREADS, help="CPU threads; 0: torch decides. [default: 0]"),
    ] = None,
    transients: Annotated[
        bool,
        typer.Option(
            "--transients",
            help="Compare EP with autodiff after every nudged sweep, without a verdict.",
        ),
    ] = False,
    out: OutOption = None,
    data_dir: DataDirOption = None,
    dtype: DtypeOption = None,
    device: DeviceOption = None,
    beta: BetaOption = None,
    sweeps: SweepsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_sarif: Annotated[bool, typer.Option("--sarif", help="Print a SARIF 2.1.0 log.")] = False,
) -> None:
    """Check that a spec's gradients are correct.

    First its data and the promises of its constructs are checked, then EP is compared with other
    methods.
    Exit code 0: right; 1: wrong, or a block does not converge; 2: invalid spec.
    """
    computing = any(given is not None for given in (samples, seed, threads, dtype, device))
    _refuse_mixtures(specs, static, transients, as_json, as_sarif, computing, device, data_dir)
    samples, seed, threads = samples or 4, seed or 0, threads or 0
    only_transients = Wanted(out, data_dir, dtype, beta, sweeps)
    spec = specs[0]
    if transients:
        measured = (samples, seed, threads)
        print_transients(spec, settings, only_transients, measured, as_json, allow_large)
        return
    only_transients.refuse()
    write = _emit_sarif if as_sarif else _emit_record if as_json else None
    measure = _Measure(samples, seed, threads, dtype or "float32", device or "auto", data_dir)
    if static:
        _check_texts(specs, partial(_read, settings, allow_large, write is None), write)
    elif write is not None:
        _check_as_record(spec, partial(_read, settings, allow_large, False), measure, write)
    else:
        _print_check(load_spec(spec, settings, allow_large), measure)


def _refuse_mixtures(
    specs: Sequence[Path],
    static: bool,
    transients: bool,
    as_json: bool,
    as_sarif: bool,
    computing: bool,
    device: str | None,
    data_dir: Path | None,
) -> None:
    """Raise InputError for options that exclude each other or would have no effect.

    ``computing``: an option of what is computed is given.
    """
    for wrong, message, help in (
        (as_json and as_sarif, "--json and --sarif exclude each other", "keep one of them"),
        (static and transients, "--static and --transients exclude each other", "keep one"),
        (transients and as_sarif, "--transients finds nothing for --sarif", "use --json"),
        (transients and device, "--transients runs on the CPU", "drop --device"),
        (
            static and computing,
            "--static computes nothing",
            "drop --samples, --seed, --threads, --dtype and --device",
        ),
        (static and data_dir, "--static looks at the text only", "drop --static or --data-dir"),
        (
            len(specs) > 1 and not static,
            f"{len(specs)} specs are given, and gradients are checked of one",
            "add --static, or check one after the other",
        ),
    ):
        if wrong:
            raise InputError(message, help=help)


def _read(settings: list[str] | None, allow_large: bool, aloud: bool, path: Path) -> Compiled:
    return (load_spec if aloud else compile_file)(path, settings, allow_large)


def _check_texts(
    specs: Sequence[Path], read: Callable[[Path], Compiled], write: _Write | None
) -> None:
    """Check one text after the other; a faulty one does not stop the others.

    Raises typer.Exit with the highest exit code.
    """
    from ffebm_dsl.cli.main import report

    found: list[tuple[str, Sequence[Diagnostic]]] = []
    unread: list[InputError] = []
    status = 0
    for path in specs:
        try:
            compiled = read(path)
        except InputError as error:
            status = max(status, error.exit_code)
            if write is not None and isinstance(error, SpecError):
                found.append((name_of(path), error.diagnostics))
                continue
            report(error)
            unread.append(error)
            continue
        found.append((name_of(path), compiled.warnings))
        if write is None:
            emit(f"{compiled.source.name}: ", Piece("ok", Role.GOOD))
    if write is not None:
        write(not status, found, {}, unread)
    if status:
        raise typer.Exit(status)


def _print_check(compiled: Compiled, measure: _Measure) -> None:
    from ffebm_dsl.cli.check_tables import print_promises, print_report
    from ffebm_dsl.language.ir.tools.notation import energy_in_words

    data = read_data(compiled, measure.data_dir)
    if data is not None:
        print_data(data)
    measured = _measure(compiled, measure)
    for block in compiled.spec.model.blocks:
        for line in energy_in_words(block):
            emit(f"block {block.name}: {line}")
    print_promises(measured.constructs, compiled.source.name)
    if measured.report:
        print_report(measured.report, measure.samples, measure.seed)
    for diagnostic in measured.found:
        say("\n", *pieces(diagnostic))
    if not measured.ok:
        raise NegativeResult(_verdict(measured))


class _Measure(NamedTuple):
    """How the gradient check measures; dtype and device are those of training."""

    samples: int
    seed: int
    threads: int
    dtype: str
    device: str
    data_dir: Path | None


class _Measured(NamedTuple):
    """The result of a check; without a report if constructs break promises."""

    constructs: Sequence[ConstructRow]
    report: CheckReport | None
    found: Sequence[Diagnostic]

    @property
    def ok(self) -> bool:
        return self.report is not None and self.report.ok

    def to_dict(self) -> dict[str, object]:
        promises = {"constructs": [row.to_dict() for row in self.constructs]}
        return promises | (self.report.to_dict() if self.report else {})


class _Write(Protocol):
    """Prints whether all is right, what was found in each file, what was measured, and the errors
    of files that could not be read."""

    def __call__(
        self,
        ok: bool,
        found: _Found,
        measured: Mapping[str, object],
        unread: Sequence[InputError] = (),
    ) -> None: ...


def _check_as_record(
    spec: Path, read: Callable[[Path], Compiled], measure: _Measure, write: _Write
) -> None:
    """Write the one JSON object, for faulty specs too; then end as the text form does."""
    name = name_of(spec)
    try:
        compiled = read(spec)
        data = read_data(compiled, measure.data_dir)
    except SpecError as error:
        write(False, [(name, error.diagnostics)], {})
        raise typer.Exit(error.exit_code) from None
    measured = _measure(compiled, measure)
    record = {**data_record(data), **measured.to_dict()}
    write(measured.ok, [(name, [*compiled.warnings, *measured.found])], record)
    if not measured.ok:
        raise typer.Exit(NegativeResult.exit_code)


_EMPTY: Mapping[str, object] = {
    "data": None,
    **{name: [] for name in ("constructs", "gradients", "differences", "beta_sweep", "relaxation")},
}


def _emit_record(
    ok: bool, found: _Found, measured: Mapping[str, object], unread: Sequence[InputError] = ()
) -> None:
    failure = {
        "error": "; ".join(error.message for error in unread),
        "help": "; ".join(dict.fromkeys(error.help for error in unread if error.help)),
        "exit_code": InputError.exit_code,
    }
    diagnostics = [to_record(diagnostic) for _, group in found for diagnostic in group]
    emit_json(
        {**_EMPTY, **measured, "ok": ok, **(failure if unread else {}), "diagnostics": diagnostics}
    )


def _emit_sarif(
    ok: bool, found: _Found, measured: Mapping[str, object], unread: Sequence[InputError] = ()
) -> None:
    from ffebm_dsl import __version__
    from ffebm_dsl.language.diagnostics.sarif import to_sarif

    emit_json(to_sarif(found, __version__, [error.message for error in unread]))


def _measure(compiled: Compiled, measure: _Measure) -> _Measured:
    """Promises, then gradients under a progress bar, and what they showed, wrong things first.

    If constructs break promises, no gradient is measured.
    """
    import torch

    from ffebm_dsl.running.training.environment import choose_device, choose_dtype
    from ffebm_dsl.tools import checking

    chosen = checking.CheckSettings(
        samples=measure.samples,
        seed=measure.seed,
        dtype=choose_dtype(measure.dtype),
        device=str(choose_device(measure.device)),
    )
    if measure.threads:
        torch.set_num_threads(measure.threads)
    with progress_bar("check", "solve") as progress:
        progress(0, 1, "promises of constructs")
        constructs = checking.check_promises(compiled.spec, seed=measure.seed)
        broken = checking.broken_promises(constructs, compiled.source, compiled.places)
        if broken:
            return _Measured(constructs, None, broken)
        report = checking.check(compiled.spec, chosen, progress)
    found = checking.findings(report, compiled.source, compiled.places)
    found = sorted(found, key=lambda d: d.severity is not Severity.ERROR)
    return _Measured(constructs, report, found)


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
