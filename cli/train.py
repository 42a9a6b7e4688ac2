"""``ffebm train``: train a spec, or go on with a run."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ffebm_dsl.cli.completion import spec_files
from ffebm_dsl.cli.console import emit, emit_json, say
from ffebm_dsl.cli.files import read_text
from ffebm_dsl.cli.numbers import LARGEST, MOST_THREADS, seconds
from ffebm_dsl.cli.processes import one_process
from ffebm_dsl.cli.spec import AllowLargeOption, SetOption, compile_file, load_spec, parse_settings
from ffebm_dsl.language.diagnostics import FfebmError, InputError, PeerLost, Piece, Role, Stopped
from ffebm_dsl.running.run_directory import open_run

if TYPE_CHECKING:
    from ffebm_dsl.language.diagnostics import SourceFile
    from ffebm_dsl.language.ir import Compiled
    from ffebm_dsl.running.training import Evaluation, Options, Session, StopRequest, World

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder that data sets are read from. [default: data, or the run's]",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(help="auto, cpu, cuda or cuda:N. [default: auto, or the run's]"),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_THREADS,
        help="CPU threads. [default: by the size of the network, or the run's]",
    ),
]

CheckpointOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|best|last",
        help="Checkpoint of the run. [default: best if there is a validation set, else last]",
    ),
]

KeepOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=LARGEST,
        help="Newest checkpoints to keep, besides the best. [default: 2, or the run's]",
    ),
]
SaveEveryOption = Annotated[
    float | None,
    typer.Option(
        parser=seconds,
        metavar="SECONDS",
        help="Also save within an epoch, after this time. [default: 600, or the run's]",
    ),
]
AllowInexactOption = Annotated[
    bool,
    typer.Option(
        "--allow-inexact",
        help="With --resume: continue even if train section, data or environment differ from "
        "the run's. The differences are recorded.",
    ),
]

LogOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="csv|tensorboard|wandb",
        help="Also write steps and evaluations in this form during training. May be repeated.",
    ),
]


def train(
    spec: Annotated[
        Path | None,
        typer.Argument(
            autocompletion=spec_files, help="An .ffe file; may be left out with --resume."
        ),
    ] = None,
    data_dir: DataDirOption = None,
    out: Annotated[
        Path | None, typer.Option(help="New run directory. [default: runs/SPEC-TIME-RANDOM]")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Continue the run in this directory.")
    ] = None,
    device: DeviceOption = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32 or float64. [default: float32, or the run's]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=LARGEST, help="Same as --set seed=N.")
    ] = None,
    settings: SetOption = None,
    allow_large: AllowLargeOption = False,
    max_steps: Annotated[
        int | None, typer.Option(min=0, max=LARGEST, help="End after this many steps of the run.")
    ] = None,
    threads: ThreadsOption = None,
    keep: KeepOption = None,
    save_every: SaveEveryOption = None,
    allow_inexact: AllowInexactOption = False,
    log: LogOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train a network, and write record and checkpoints.

    They are written to a run directory. Ctrl-C ends training after the current step, and
    --resume continues it. Under torchrun several processes train together, each on its part of
    every batch.
    """
    wanted = _Wanted(spec, settings, seed, out, resume, allow_inexact, allow_large)
    # Alone, a wrong spec is reported before torch is imported, which takes seconds.
    job = wanted.read(load_spec) if one_process() else None
    from ffebm_dsl.running.training import Options, joined, require_logs, stop_on_signals
    from ffebm_dsl.running.training.denormals import flushing_denormals

    logs = log or []
    with stop_on_signals() as stop, flushing_denormals(), joined() as world, _one_voice(world):
        if job is None:
            with world.all_or_none():
                pass  # Another process whose command line is wrong says so here.
            with world.all_or_none():
                job = wanted.read(load_spec if world.lead else compile_file)
        with world.all_or_none():
            require_logs(logs)
        options = Options(job.overrides, data_dir, device, dtype, threads, keep, save_every)
        session = _open(job, options, out, resume, allow_inexact, world)
        limit = -1 if max_steps is None else max_steps
        _run(session, stop, limit, quiet, as_json, logs)


class _JobText(NamedTuple):
    """The input of a training: overrides and a spec, or the text, if given, of a resumed run."""

    overrides: dict[str, str]
    compiled: Compiled | None
    source: SourceFile | None


class _Wanted(NamedTuple):
    """The options that choose the training, as given."""

    spec: Path | None
    settings: list[str] | None
    seed: int | None
    out: Path | None
    resume: Path | None
    allow_inexact: bool
    allow_large: bool

    def read(self, load: Callable[[Path, list[str], bool], Compiled]) -> _JobText:
        """Read the texts, without torch.

        Raises:
            InputError: options that exclude each other, or a spec that is missing or wrong.
        """
        overrides = parse_settings(self.settings)
        if self.seed is not None:
            if "seed" in overrides:
                raise InputError("--seed and --set give `seed` twice", help="keep one of them")
            overrides["seed"] = str(self.seed)
        if self.resume is not None:
            text = self._text()
            open_run(self.resume)
            return _JobText(overrides, None, text)
        if self.allow_inexact:
            raise InputError("--allow-inexact goes with --resume", help="leave it out")
        if self.spec is None:
            raise InputError(
                "no spec is given", help="ffebm train SPEC, or ffebm train --resume RUN"
            )
        texts = [f"{key}={value}" for key, value in overrides.items()]
        return _JobText(overrides, load(self.spec, texts, self.allow_large), None)

    def _text(self) -> SourceFile | None:
        if self.out is not None:
            raise InputError(
                "--out and --resume exclude each other",
                help="a resumed run stays in its directory",
            )
        return read_text(self.spec) if self.spec is not None else None


def _run(
    session: Session, stop: StopRequest, limit: int, quiet: bool, as_json: bool, logs: list[str]
) -> None:
    """Train; the lead shows how it goes and what came of it."""
    from ffebm_dsl.running.allocation import keep_freed_memory
    from ffebm_dsl.running.training import Controls, Progress, open_logs, progress_on, train

    keep_freed_memory()
    lead = session.world.lead
    for warning in session.job.data.warnings if lead else ():
        say(Piece("warning", Role.WARNING), f": {warning}")
    progress = Progress()
    if lead:
        shown = [] if quiet else [progress_on(sys.stderr)]
        progress.parts = [*shown, *open_logs(logs, session)]
    result = train(session, Controls(stop, progress, limit))
    if lead:
        _summarise(session, result, as_json)


@contextlib.contextmanager
def _one_voice(world: World) -> Iterator[None]:
    """Print an error that all processes raise once; all end with the same exit code."""
    try:
        yield
    except PeerLost:
        raise
    except FfebmError as error:
        if world.lead:
            raise
        status = error.status if isinstance(error, Stopped) else error.exit_code
        raise typer.Exit(status) from error


def _open(
    job: _JobText,
    options: Options,
    out: Path | None,
    run: Path | None,
    allow_inexact: bool,
    world: World,
) -> Session:
    """A new run, or the one in a directory taken up again."""
    from ffebm_dsl.running.training import resume, start

    if run is None:
        assert job.compiled is not None
        return start(job.compiled, options, out, world)
    warn = say if world.lead else _nobody
    return resume(run, options, warn, job.source, allowed=allow_inexact, world=world)


def _nobody(text: str) -> None:
    """Say nothing: another process does."""


def _summarise(session: Session, result: Evaluation, as_json: bool) -> None:
    from ffebm_dsl.running.training.judged import describe, weights_of_result

    step, which = weights_of_result(session)
    if not as_json:
        reason = "the best by validation" if which == "best" else "the last"
        judged = session.job.data.validation is not None
        weights = f" (weights of step {step}, {reason})" if judged else ""
        emit(f"{describe(result)}{weights}\nrun {session.directory.path}")
        return
    emit_json(
        {
            "run": str(session.directory.path),
            "status": session.record.attributes["status"],
            "epoch": session.position.epoch,
            "step": session.position.step,
            "seconds": session.position.seconds,
            "weights": step,
            "which": which,
            **figures(result),
        }
    )


def figures(result: Evaluation) -> dict[str, object]:
    """An evaluation as plain values; NaN where a figure has no meaning."""
    figures = asdict(result)
    del figures["quantities"]
    return figures
