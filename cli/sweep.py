"""``ffebm sweep``: train every combination of settings and seeds."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ffebm_dsl.cli.compare import as_record, print_comparison
from ffebm_dsl.cli.console import emit, emit_json, say
from ffebm_dsl.cli.files import read_text
from ffebm_dsl.cli.spec import AllowLargeOption, SpecArgument, parse_settings
from ffebm_dsl.language.diagnostics import InputError, NegativeResult

if TYPE_CHECKING:
    from ffebm_dsl.language.diagnostics import SourceFile
    from ffebm_dsl.tools.experiments.running import SweepPlan
    from ffebm_dsl.tools.experiments.trials import Trial

DataDirOption = Annotated[
    Path | None,
    typer.Option(help="Folder that data sets are read from. [default: data]", show_default=False),
]
DeviceOption = Annotated[
    str | None, typer.Option(help="auto, cpu, cuda or cuda:N. [default: auto]")
]
SweepSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=[VALUE, ...]",
        help="Train with each of these values, such as optimizer.lr=[1e-3, 3e-3]; one value is "
        "the same in all trials. May be repeated: all combinations are trained.",
    ),
]

LogOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="csv|tensorboard|wandb",
        help="Each trial writes steps and evaluations there too. May be repeated.",
    ),
]


def sweep(
    spec: SpecArgument,
    settings: SweepSettings = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Train each combination with seeds 0 to N-1.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run directories. [default: runs/SPEC-sweep]"),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trials trained at the same time.")] = 1,
    threads: Annotated[
        int, typer.Option(min=1, help="CPU threads of each trial; they decide the last digits.")
    ] = 1,
    data_dir: DataDirOption = None,
    device: DeviceOption = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32 or float64. [default: float32]")
    ] = None,
    allow_large: AllowLargeOption = False,
    log: LogOption = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Train nothing; print the command of every trial that is not finished, one a "
            "line, for xargs or the array of a batch system.",
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train all combinations of settings and seeds.

    Each trial is a run directory of its own. Called again, it goes on with what was stopped and
    trains what is missing. At the end it compares the runs, as `ffebm compare` does. Exit code
    1: a training diverged.
    """
    from ffebm_dsl.tools.experiments.running import SweepPlan
    from ffebm_dsl.tools.experiments.trials import make_trials

    logs = _logs(log or [])
    source = read_text(spec)
    trials = make_trials(source, parse_settings(settings), seeds, allow_large=allow_large)
    given = {"data-dir": data_dir, "device": device, "dtype": dtype, "threads": threads}
    options = [f"--{name}={value}" for name, value in given.items() if value is not None]
    options += ["--allow-large"] if allow_large else []
    found = SweepPlan(out or Path("runs") / f"{spec.stem}-sweep", trials, options, logs)
    if dry_run:
        for trial in found.unfinished():
            emit(shlex.join(["ffebm", *found.command(trial, spec)]))
        return
    failed = _train(found, source, jobs, quiet)
    _summarise(found, as_json)
    if failed:
        raise typer.Exit(NegativeResult.exit_code)


def _logs(names: list[str]) -> list[str]:
    """The options of `train` for logs, which are there."""
    if names:
        from ffebm_dsl.running.training.live import require_logs

        require_logs(names)
    return [f"--log={name}" for name in names]


def _train(sweep: SweepPlan, source: SourceFile, jobs: int, quiet: bool) -> int:
    """Train what is not finished; how many trials diverged."""
    from tqdm import tqdm

    from ffebm_dsl.tools.experiments.running import Pool, opened

    with opened(sweep, source) as spec:
        left = len(sweep.unfinished())
        bar = tqdm(
            total=len(sweep.trials),
            initial=len(sweep.trials) - left,
            unit="trial",
            disable=quiet or not sys.stderr.isatty(),
        )

        def ended(trial: Trial, code: int) -> None:
            bar.update()
            if not quiet and bar.disable:
                say(f"{trial.name}: {'diverged' if code else 'finished'}")

        with bar:
            Pool(sweep, spec, jobs, ended).run()
    return sum(sweep.status(trial) == "diverged" for trial in sweep.trials)


def _summarise(sweep: SweepPlan, as_json: bool) -> None:
    from ffebm_dsl.tools.experiments.results import compare, expand, read_result

    results = [read_result(run) for run in expand([sweep.folder])]
    varied = [key for key in sweep.trials[0].overrides if key != "seed"]
    several = [key for key in varied if len({t.overrides[key] for t in sweep.trials}) > 1]
    try:
        comparison = compare(results, several)
    except InputError as error:  # every trial diverged
        if any(result.status == "finished" for result in results):
            raise
        say(error.message)
        return
    if as_json:
        emit_json({"folder": str(sweep.folder), **as_record(comparison)})
        return
    print_comparison(comparison)
    emit(f"\nruns in {sweep.folder}")
