"""``ffebm sweep``: train every combination of settings and seeds, or search among them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ffebm_dsl.cli.compare import as_record, print_comparison
from ffebm_dsl.cli.console import emit, emit_json, say
from ffebm_dsl.cli.files import read_text
from ffebm_dsl.cli.numbers import LARGEST, MOST_THREADS
from ffebm_dsl.cli.spec import AllowLargeOption, SpecArgument, parse_settings
from ffebm_dsl.language.diagnostics import InputError, NegativeResult, SpecError, Stopped

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
        "the same in all trials. May be repeated: all combinations are trained. With --search also "
        "uniform(LOW, HIGH), loguniform(LOW, HIGH) and integers(LOW, HIGH).",
    ),
]
SeedsOption = Annotated[
    int | None, typer.Option(min=1, max=LARGEST, help="Train each combination with seeds 0 to N-1.")
]
SearchOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=LARGEST,
        metavar="N",
        help="Train N combinations, drawn by Optuna from the validation results of earlier ones.",
    ),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|URL",
        help="With --search: storage of its results, which several machines may share: a file, or "
        "a URL such as sqlite:///search.db. [default: study.journal in the folder]",
        show_default=False,
    ),
]
SweepOutOption = Annotated[
    Path | None,
    typer.Option(help="Folder of the run directories. [default: runs/SPEC-sweep, -search]"),
]
LogOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="csv|tensorboard|wandb",
        help="Each trial also writes its steps and evaluations in this form. May be repeated.",
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Make the folder, train nothing, and print the command of every trial that is not "
        "finished, one per line, for xargs or the job array of a batch system.",
    ),
]


def sweep(
    spec: SpecArgument,
    settings: SweepSettings = None,
    seeds: SeedsOption = None,
    search: SearchOption = None,
    storage: StorageOption = None,
    out: SweepOutOption = None,
    jobs: Annotated[
        int, typer.Option(min=1, max=LARGEST, help="Number of trials trained at the same time.")
    ] = 1,
    threads: Annotated[
        int,
        typer.Option(
            min=1,
            max=MOST_THREADS,
            help="CPU threads of each trial; their number affects the last digits.",
        ),
    ] = 1,
    data_dir: DataDirOption = None,
    device: DeviceOption = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32 or float64. [default: float32]")
    ] = None,
    allow_large: AllowLargeOption = False,
    log: LogOption = None,
    dry_run: DryRunOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train all combinations of settings and seeds, or search.

    Each trial has a run directory of its own. The same command again continues stopped trials and
    trains missing ones. At the end the runs are compared, as by `ffebm compare`. Exit code 1: a
    training diverged; in a search: all of them did.
    """
    from ffebm_dsl.tools.experiments.running import SweepPlan

    if search is None and storage is not None:
        raise InputError("--storage is an option of --search", help="add --search N")
    if search is not None and dry_run:
        message = "--dry-run cannot tell what --search trains: that depends on what comes of it"
        raise InputError(message, help="leave it out")
    given = {"data-dir": data_dir, "device": device, "dtype": dtype, "threads": threads}
    options = [f"--{name}={value}" for name, value in given.items() if value is not None]
    options += ["--allow-large"] if allow_large else []
    folder = out or Path("runs") / f"{spec.stem}-{'sweep' if search is None else 'search'}"
    plan = SweepPlan(folder, [], options, _logs(log or []))
    wanted = SweepRequest(read_text(spec), parse_settings(settings), seeds, allow_large, as_json)
    how = Training(jobs, quiet)
    if search is not None:
        _search(plan, wanted, how, search, storage)
    else:
        _sweep(plan, wanted, how, dry_run)


class SweepRequest(NamedTuple):
    """The trainings that were asked for."""

    source: SourceFile
    settings: dict[str, str]
    seeds: int | None
    allow_large: bool
    as_json: bool


class Training(NamedTuple):
    """How many trials are trained at the same time, and whether progress is shown."""

    jobs: int
    quiet: bool


def _logs(names: list[str]) -> list[str]:
    """The options of `train` for logs, which are there."""
    if names:
        from ffebm_dsl.running.training.live_log import require_logs

        require_logs(names)
    return [f"--log={name}" for name in names]


def _sweep(plan: SweepPlan, wanted: SweepRequest, how: Training, dry_run: bool) -> None:
    """All combinations, or only their commands."""
    from ffebm_dsl.tools.experiments.running import opened
    from ffebm_dsl.tools.experiments.search_space import refuse_draws
    from ffebm_dsl.tools.experiments.trials import make_trials

    refuse_draws(wanted.source, wanted.settings)
    trials = make_trials(
        wanted.source, wanted.settings, wanted.seeds, allow_large=wanted.allow_large
    )
    plan = replace(plan, trials=trials)
    with opened(plan, wanted.source) as spec:
        left = plan.unfinished()
        if dry_run:
            for trial in left:
                emit(shlex.join(["ffebm", *plan.command(trial, spec)]))
            return
        _train(plan, spec, left, how, (len(trials) - len(left), len(trials)))
    several = [k for k in trials[0].overrides if len({t.overrides[k] for t in trials}) > 1]
    _summarise(plan, [key for key in several if key != "seed"], wanted.as_json, {})
    if any(plan.status(trial) == "diverged" for trial in trials):
        raise typer.Exit(NegativeResult.exit_code)


def _search(
    plan: SweepPlan, wanted: SweepRequest, how: Training, count: int, storage: str | None
) -> None:
    """Combinations that Optuna draws."""
    from ffebm_dsl.tools.experiments import search as searching
    from ffebm_dsl.tools.experiments.running import opened
    from ffebm_dsl.tools.experiments.search_space import check_space, read_space
    from ffebm_dsl.tools.experiments.trials import compile_trial, refuse_too_many, refuse_two_seeds

    refuse_two_seeds(wanted.settings, wanted.seeds)
    refuse_too_many(wanted.seeds or 1)
    searching.require_optuna()
    source, seeds = wanted.source, range(wanted.seeds or 0)
    space = read_space(source, wanted.settings)
    compiled = check_space(source, space, wanted.settings, allow_large=wanted.allow_large)
    plan = replace(plan, search={"settings": wanted.settings, "seeds": len(seeds)})

    def study_in(place: str) -> Any:
        return searching.open_study(compiled, space, plan.options, seeds, place)

    def compiles(overrides: Mapping[str, str]) -> bool:
        """Whether what was drawn fits together; if not, say so."""
        try:
            compile_trial(source, overrides, wanted.settings, wanted.allow_large)
        except SpecError as error:
            drawn = ", ".join(f"{key}={overrides[key]}" for key in space.drawn)
            say(f"{drawn} is left out: {error.diagnostics[0].message}")
            return False
        return True

    # Before the folder is made, which is not there without a study.
    shared = study_in(storage) if storage else None
    place = storage or str(plan.folder / "study.journal")
    with opened(plan, source) as spec, searching.reporting_loss(place):
        search = searching.Search(plan, space, shared or study_in(place), count, seeds, compiles)
        runs = max(1, len(seeds))
        _train(plan, spec, search.trials(), how, (search.told * runs, count * runs), search.ended)
        best, told = search.best(), search.told
    _summarise(plan, space.drawn, wanted.as_json, {"best": best})
    if best is None:
        raise typer.Exit(NegativeResult.exit_code)
    if not wanted.as_json:
        settings = ", ".join(f"{key}={value}" for key, value in best["set"].items())
        shown = f"{100 * best['value']:.2f} %" if best["metric"] != "loss" else best["value"]
        emit(f"best of {told} by validation {best['metric']}: {settings}: {shown}")


def _train(
    plan: SweepPlan,
    spec: Path,
    trials: Iterable[Trial],
    how: Training,
    count: tuple[int, int],
    told: Callable[[Trial], None] | None = None,
) -> None:
    """Train ``trials``; ``count`` is how many are done and how many there are to be.

    Raises Stopped for a signal, after which running trials have saved and ended.
    """
    from tqdm import tqdm

    from ffebm_dsl.running.training import stop_on_signals
    from ffebm_dsl.running.training.progress import Clock
    from ffebm_dsl.tools.experiments.running import Pool

    clock = Clock()
    clock.expect(count[1] - count[0])
    bar = tqdm(
        total=count[1],
        initial=count[0],
        unit="trial",
        disable=how.quiet or not sys.stderr.isatty(),
    )

    def ended(trial: Trial, code: int) -> None:
        bar.update()
        if told is not None:
            told(trial)
        if not how.quiet and bar.disable:
            say(f"{trial.name}: {'diverged' if code else 'finished'}, {clock.step()}")

    with bar, stop_on_signals() as request:
        Pool(plan, spec, how.jobs, ended, trials, lambda: request.signal_number > 0).run()
    if request.signal_number:
        message = f"{Signals(request.signal_number).name} ended the sweep; its runs are saved"
        raise Stopped(request.signal_number, message, help="the same command continues it")


def _summarise(
    plan: SweepPlan, varied: Sequence[str], as_json: bool, more: Mapping[str, Any]
) -> None:
    from ffebm_dsl.tools.experiments.results import expand, read_result
    from ffebm_dsl.tools.experiments.run_comparison import compare

    results = [read_result(run) for run in expand([plan.folder])]
    try:
        comparison = compare(results, varied)
    except InputError as error:  # every trial diverged
        if any(result.status == "finished" for result in results):
            raise
        say(error.message)
        return
    if as_json:
        emit_json({"folder": str(plan.folder), **as_record(comparison), **more})
        return
    print_comparison(comparison)
    emit(f"\nruns in {plan.folder}")
