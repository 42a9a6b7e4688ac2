"""A run in progress: made from a spec, or taken up again from its directory."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from ffebm_dsl.diagnostics import FfebmError, InputError, SourceFile
from ffebm_dsl.ir import Compiled, compile_spec, read_source
from ffebm_dsl.records import Record, read, utc_now, write
from ffebm_dsl.training import checkpoint as checkpoints
from ffebm_dsl.training import run_directory
from ffebm_dsl.training.agreement import require_agreement, require_same_text
from ffebm_dsl.training.checkpoint import Best, Checkpoint, Position
from ffebm_dsl.training.environment import environment
from ffebm_dsl.training.job import Job, Options, assemble, settle
from ffebm_dsl.training.provenance import add_segment, new_record
from ffebm_dsl.training.run_directory import RunDirectory


@dataclass
class Session:
    """A job with its place on disk, its record, and how far it has come."""

    job: Job
    directory: RunDirectory
    record: Record
    position: Position = field(default_factory=Position)
    best: Best = field(default_factory=Best)
    started: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Time spent in training, by all processes that worked on the run."""
        return self.position.seconds + time.monotonic() - self.started

    def save(self) -> None:
        """Publish the record, then the checkpoint: a checkpoint's steps are always on record.

        Raises:
            StorageError: the disk is full or refuses; the last good files stand.
        """
        self.position = replace(self.position, seconds=self.seconds())
        self.started = time.monotonic()
        self.publish_record()
        checkpoints.save(self.directory.checkpoints, self._checkpoint())

    def publish_record(self) -> None:
        """Publish the record alone, where the state is not one to go on from."""
        write(self.record, self.directory.record)

    def event(self, kind: str, message: str) -> None:
        """Note in the record that something happened."""
        events = self.record["events"]
        events.append(
            {
                "event": len(events),
                "step": self.position.step,
                "time": utc_now(),
                "kind": kind,
                "message": message,
            }
        )

    def status(self, status: str) -> None:
        """Set the status of the run, and the time of its end unless it runs on."""
        self.record.attributes["status"] = status
        self.record.attributes["end_time"] = "" if status == "running" else utc_now()

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            self.job.network.state_dict(),
            self.job.optimizer.state_dict(),
            self.position,
            self.best,
            self.job.identity,
            self.job.settings,
            environment(self.job.device),
        )


def start(compiled: Compiled, options: Options, out: Path | None = None) -> Session:
    """A new run. Spec, options and data are checked before its directory is made.

    Raises:
        InputError: the spec has no train section; data or options are unfit; ``out`` is not
            empty or cannot be made.
        StorageError: the disk is full or refuses. Nothing is left behind in either case.
    """
    source = compiled.source
    job = assemble(compiled, options.overrides, options.dtype or "float32", settle(options))
    directory = run_directory.create(out, Path(source.name).stem, source.text)
    try:
        session = Session(job, directory, new_record(job, source, directory.path.name))
        session.event("start", f"{job.plan.epochs} epochs")
        session.save()
    except FfebmError:
        run_directory.discard(directory)
        raise
    return session


def resume(
    run: Path, options: Options, warn: checkpoints.Warn, source: SourceFile | None = None
) -> Session:
    """The run in directory ``run``, as it was at its newest checkpoint that verifies.

    ``source``, if given, must be the run's spec. The record is cut to the checkpoint's step.

    Raises:
        InputError: no run directory, no checkpoint that verifies, a damaged record, or a
            spec, override, seed, type or data set that differs from the run's.
    """
    directory = run_directory.open_run(run)
    path, found = checkpoints.newest(directory.checkpoints, warn)
    identity = found.identity
    require_agreement("dtype", identity.dtype, options.dtype or identity.dtype)
    record = read(directory.record)
    kept = recorded_spec(record, directory)
    for other in (read_source(directory.spec), *([source] if source is not None else [])):
        require_same_text(kept, other)
    compiled = compile_spec(kept, identity.overrides)
    given = {**identity.overrides, **options.overrides}
    if compile_spec(kept, given).spec != compiled.spec:
        require_agreement("overrides", identity.overrides, given)
    settings = settle(options, found.settings)
    job = assemble(compiled, identity.overrides, identity.dtype, settings)
    for name, now in asdict(job.identity).items():
        require_agreement(name, asdict(identity)[name], now)
    session = Session(job, directory, record)
    _take_up(session, found, path, warn)
    return session


def recorded_spec(record: Record, directory: RunDirectory) -> SourceFile:
    """The spec's text as the record holds it, under the path of the run's own copy."""
    return SourceFile(str(directory.spec), str(record["provenance"]["spec_text"][()]))


def _take_up(session: Session, found: Checkpoint, path: Path, warn: checkpoints.Warn) -> None:
    """Bring a session to the state of a checkpoint."""
    checkpoints.restore_network(session.job.network, found, path)
    checkpoints.restore_optimizer(session.job.optimizer, found, path)
    session.position, session.best = found.position, found.best
    steps = session.record["train"]["step"]
    if found.position.step > (steps[-1] if len(steps) else 0):
        raise InputError(
            f"{session.directory.record} ends before step {found.position.step} of {path.name}",
            help="the record was replaced by an older one; put the right one back",
        )
    session.record.cut(found.position.step, evaluated=found.position.evaluated)
    changes = _changes(found.environment, environment(session.job.device))
    if changes:
        message = f"the run goes on, but not bit for bit: {'; '.join(changes)}"
        warn(message)
        session.event("warning", message)
    exact = not changes and bool(np.all(session.record["segments"]["exact"]))
    add_segment(session.record, session.job, start_step=found.position.step, exact=exact)
    session.event("resume", f"from {path.name}")
    session.status("running")


def _changes(was: dict[str, str | int], now: dict[str, str | int]) -> list[str]:
    return [
        f"{name} was {was.get(name)}, is {now.get(name)}"
        for name in sorted({*was, *now})
        if was.get(name) != now.get(name)
    ]
