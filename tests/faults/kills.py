"""Repeated kills at random times, until the run is finished nevertheless."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.faults.harness import Workers

PART_OF_A_RUN = 0.15


@dataclass(frozen=True)
class Job:
    """A run to be killed: the arguments of ``ffebm train`` that say what is trained."""

    name: str
    arguments: Sequence[str]

    def new(self, run: str, *more: str) -> list[str]:
        common = ("--device", "cpu", "--threads", "1", "--quiet", "--out", run)
        return ["train", *self.arguments, *common, *more]

    def again(self, run: str) -> list[str]:
        limit = [part for part in self.arguments if part.startswith("--max-steps=")]
        return ["train", "--resume", run, "--quiet", *limit]


@dataclass
class Tally:
    """What came of it."""

    job: str
    kills: int = 0
    before_the_first_checkpoint: int = 0
    resumes: int = 0
    runs: int = 0
    identical: int = 0
    faults: list[str] = field(default_factory=list)


def kill_at_random(
    workers: Workers,
    job: Job,
    kills: int,
    generator: np.random.Generator,
    savings: Sequence[str],
    progress: Callable[[str], None] = lambda text: None,
) -> Tally:
    """Kill runs of ``job`` so many times. ``savings`` are values of --save-every to draw from.

    The instants are drawn evenly from a stretch of time: a part of what the run takes that
    nothing disturbs, and more where that is too short to come forward.
    """
    started = time.monotonic()
    whole = workers.command(*job.new("run-whole"))
    stretch = (time.monotonic() - started) * PART_OF_A_RUN
    if whole.code:
        raise RuntimeError(f"{job.name} does not run: {whole.said}")
    bits = workers.inspect("run-whole")["bits"]
    tally = Tally(job.name)
    while tally.kills < kills:
        saving = str(generator.choice(savings))
        _one_run(workers, job, tally, bits, f"--save-every={saving}", generator, stretch)
        progress(
            f"{job.name}: {tally.kills} of {kills} kills, {tally.identical} of {tally.runs} runs "
            f"identical, {len(tally.faults)} faults"
        )
    return tally


def _one_run(
    workers: Workers,
    job: Job,
    tally: Tally,
    bits: str,
    saving: str,
    generator: np.random.Generator,
    stretch: float,
) -> None:
    """One run, killed until it comes to its end; its state must be that of the whole run."""
    run = workers.folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    newest, stalled = -1, 0
    while True:
        tally.resumes += run.exists()
        arguments = job.again("run") if run.exists() else job.new("run", saving)
        # Longer after kills that came too early for the run to come forward.
        code = _killed(workers, arguments, generator.uniform(0, stretch * 1.3**stalled))
        if code == 0:
            break
        if code != -signal.SIGKILL:
            tally.faults.append(f"{job.name}: ended with {code}")
            return
        tally.kills += 1
        stalled += 1
        if not run.exists():
            tally.before_the_first_checkpoint += 1
            continue
        found = workers.inspect("run")
        tally.faults += found["faults"]
        reached = max(found.get("checkpoints", []), default=-1)
        if reached < newest:
            tally.faults.append(f"{job.name}: the checkpoint of step {newest} is gone")
        stalled = 0 if reached > newest else stalled
        newest = reached
    tally.runs += 1
    found = workers.inspect("run")
    tally.faults += found["faults"]
    if found["bits"] == bits:
        tally.identical += 1
    else:
        tally.faults.append(f"{job.name}: the final state differs")


def _killed(workers: Workers, arguments: Sequence[str], delay: float) -> int:
    """Run a command and kill it after ``delay`` seconds, if it has not ended by then."""
    pid = workers.begin("command", arguments=list(arguments))
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return workers.end().code
    try:
        time.sleep(delay)
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it was quicker
    finally:
        os.close(handle)
    return workers.end().code


def mnist(folder: Path, root: Path, steps: int) -> Job:
    """The MNIST spec at its smallest width; evaluation on 10,000 samples at the end included."""
    spec = str(root / "specs" / "small" / "mnist.ffe")
    return Job("mnist", [spec, "--set=width=4", f"--data-dir={folder}", f"--max-steps={steps}"])


def digits(root: Path, steps: int) -> Job:
    spec = str(root / "specs" / "small" / "digits.ffe")
    return Job("digits", [spec, "--set=width=8", f"--max-steps={steps}"])
