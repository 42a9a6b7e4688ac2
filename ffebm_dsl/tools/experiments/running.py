"""The folder of a sweep, and the processes that train its trials.

Every trial is an ordinary run directory in the folder, trained by a process of its own with
``ffebm train``. A sweep therefore has no state besides its runs: when started again, it continues
those that were interrupted and trains those that are missing. ``sweep.json`` lists them, and
``spec.ffe`` is the text that they are trained from, independent of later changes to the original.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ffebm_dsl.language.diagnostics import InputError, SourceFile, cannot_write
from ffebm_dsl.running.run_directory import LOCK, RunDirectory
from ffebm_dsl.running.storage import FileLock, publish
from ffebm_dsl.tools.experiments.results import SWEEP, read_result
from ffebm_dsl.tools.experiments.trials import Trial

FORMAT = "ffebm-sweep 1"
LOGS, SPEC = "logs", "spec.ffe"
_POLL = 0.1
"""Seconds between checks of the processes."""


@dataclass(frozen=True)
class SweepPlan:
    """The trials of one folder.

    Attributes:
        folder: the folder of the runs.
        trials: what is trained, in order. Those of a search are added one by one.
        options: further options of ``ffebm train``, the same for all trials.
        logs: those options that change no numbers, which are passed on resumption too.
        search: the search space as plain data; empty for a sweep.
    """

    folder: Path
    trials: Sequence[Trial]
    options: Sequence[str]
    logs: Sequence[str] = ()
    search: Mapping[str, Any] = field(default_factory=dict)

    def command(self, trial: Trial, spec: Path) -> list[str]:
        """The arguments of ``ffebm`` that start or continue a trial."""
        run = self.folder / trial.name
        if run.is_dir():
            return ["train", "--resume", str(run), *self.logs, "--quiet"]
        settings = [f"--set={key}={value}" for key, value in trial.overrides.items()]
        options = [*self.options, *self.logs, "--quiet"]
        return ["train", str(spec), "--out", str(run), *settings, *options]

    def status(self, trial: Trial) -> str:
        """The status of the trial's run; ``""`` before it has one."""
        run = self.folder / trial.name
        return read_result(run).status if run.is_dir() else ""

    def unfinished(self) -> list[Trial]:
        """The trials that remain to be trained."""
        return [t for t in self.trials if self.status(t) not in ("finished", "diverged")]


@contextmanager
def opened(sweep: SweepPlan, source: SourceFile) -> Iterator[Path]:
    """Create or reopen the folder for exclusive use; yield the path of the spec to train.

    A folder without runs, such as that of a ``--dry-run``, is written anew.

    Raises:
        InputError: the folder has other contents, or a sweep with other trials or options; or
            another process uses it.
        StorageError: the disk is full or fails.
    """
    folder = sweep.folder
    stated = {
        "format": FORMAT,
        "spec": Path(source.name).name,
        "options": list(sweep.options),
        "trials": [_stated(trial) for trial in sweep.trials],
        "search": dict(sweep.search),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = {path.name for path in folder.iterdir()} - {LOCK, LOGS}
        if held and SWEEP not in held:
            raise InputError(
                f"{folder} contains something that is not part of a sweep: {min(held)}",
                help="give --out a new folder",
            )
        (folder / LOGS).mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    manifest, spec = folder / SWEEP, folder / SPEC
    with FileLock(folder / LOCK):
        if SWEEP in held and held != {SWEEP, SPEC}:
            _require_same(manifest, spec, stated, source)
        else:
            publish(spec, source.text.encode())
            _publish(manifest, stated)
        yield spec


def add_trial(folder: Path, trial: Trial) -> None:
    """Add a trial to the file of a search, unless it is already there."""
    manifest = folder / SWEEP
    stated = json.loads(manifest.read_text(encoding="utf-8"))
    if _stated(trial) not in stated["trials"]:
        stated["trials"].append(_stated(trial))
        _publish(manifest, stated)


def _stated(trial: Trial) -> dict[str, Any]:
    return {"name": trial.name, "overrides": dict(trial.overrides)}


def _publish(manifest: Path, stated: Mapping[str, Any]) -> None:
    publish(manifest, (json.dumps(stated, indent=1) + "\n").encode())


def _require_same(
    manifest: Path, spec: Path, stated: Mapping[str, Any], source: SourceFile
) -> None:
    try:
        known = json.loads(manifest.read_text(encoding="utf-8"))
        text = spec.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{manifest.parent}: not the folder of a sweep: {error}") from None
    fixed = ("format", "options", "search" if stated["search"] else "trials")
    differing = [key for key in fixed if known.get(key) != stated[key]]
    if text != source.text:
        differing.insert(0, "the spec's text")
    if differing:
        raise InputError(
            f"{manifest.parent} is the folder of another sweep: {', '.join(differing)} differ",
            help="repeat its command to go on with it, or give --out a new folder",
        )


@dataclass
class Pool:
    """Trains the unfinished trials of a sweep, ``jobs`` at a time.

    Attributes:
        sweep: its folder must be open.
        spec: the text to train.
        jobs: number of simultaneous processes.
        ended: called with each trial and its exit code when its process has ended.
        trials: what to train; the next one is requested when a process is free.
        stop: whether to end before all trials are trained.
    """

    sweep: SweepPlan
    spec: Path
    jobs: int
    ended: Callable[[Trial, int], None]
    trials: Iterable[Trial]
    stop: Callable[[], bool]
    processes: dict[subprocess.Popen[bytes], Trial] = field(default_factory=dict)

    def run(self) -> None:
        """Train all trials; on :attr:`stop`, those that are being trained save and end.

        Raises:
            InputError: the command line of a trial was refused; its log says why.
        """
        waiting = iter(self.trials)
        with ExitStack() as stack:
            stack.callback(self._stop)
            while not self.stop():
                for trial in islice(waiting, self.jobs - len(self.processes)):
                    self.processes[self._start(trial)] = trial
                if not self.processes:
                    return
                time.sleep(_POLL)
                self._reap()

    def _start(self, trial: Trial) -> subprocess.Popen[bytes]:
        self._wait_for_orphan(trial)
        command = [sys.executable, "-m", "ffebm_dsl", *self.sweep.command(trial, self.spec)]
        log = self.sweep.folder / LOGS / f"{trial.name}.log"
        with log.open("ab") as output:
            # A process group of its own, so that the terminal interrupts the sweep only.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _wait_for_orphan(self, trial: Trial) -> None:
        """Wait for a process of an earlier sweep that still trains the trial."""
        run = self.sweep.folder / trial.name
        for folder in (run, run.with_name(f".{run.name}.partial")):
            if (folder / LOCK).is_file():
                lock = RunDirectory(folder).lock
                lock.acquire(wait=True)
                lock.release()

    def _reap(self) -> None:
        for process in [p for p in self.processes if p.poll() is not None]:
            trial = self.processes.pop(process)
            if process.returncode not in (0, 1):
                raise InputError(
                    f"the trial {trial.name} ended with exit code {process.returncode}",
                    help=f"its messages are in {self.sweep.folder / LOGS / trial.name}.log",
                )
            self.ended(trial, process.returncode)

    def _stop(self) -> None:
        """Ask the running processes to save and end."""
        for process in self.processes:
            process.send_signal(signal.SIGINT)
        for process in self.processes:
            process.wait()
