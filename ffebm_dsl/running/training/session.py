"""A run in progress, and the start of a new run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ffebm_dsl.language.diagnostics import AnyPath, InputError, SourceFile
from ffebm_dsl.language.diagnostics.brief import brief_list
from ffebm_dsl.language.ir import Compiled
from ffebm_dsl.running import run_directory
from ffebm_dsl.running.datasets.raw import Raw
from ffebm_dsl.running.records import Group, Record, RecordTable, utc_now, write
from ffebm_dsl.running.run_directory import RunDirectory
from ffebm_dsl.running.storage import FileLock
from ffebm_dsl.running.training import checkpoint as checkpoints
from ffebm_dsl.running.training import keyed
from ffebm_dsl.running.training.checkpoint import Best, Checkpoint, Position
from ffebm_dsl.running.training.environment import environment
from ffebm_dsl.running.training.job import Job, Options, assemble, settle
from ffebm_dsl.running.training.measures import trainable
from ffebm_dsl.running.training.progress import Progress
from ffebm_dsl.running.training.provenance import new_record
from ffebm_dsl.running.training.restoring import optimizer_state
from ffebm_dsl.running.training.world import ALONE, World


@dataclass
class Session:
    """A job with its directory, its record, and its progress.

    ``lock`` keeps other training processes out of the run; it is released at the end of training.
    Of the processes of a ``world``, only the lead holds it and writes; the records of the others
    stay in memory. ``parallel`` is the network wrapped for training in the world; ``progress``
    shows how it goes.
    """

    job: Job
    source: SourceFile
    directory: RunDirectory
    lock: FileLock | nullcontext[None]
    record: Record
    world: World
    position: Position = field(default_factory=Position)
    best: Best = field(default_factory=Best)
    progress: Progress = field(default_factory=Progress)
    started: float = field(default_factory=time.monotonic)
    parallel: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        self.parallel = self.job.network

    def seconds(self) -> float:
        """Time spent in training, in all sessions of the run."""
        return self.position.seconds + time.monotonic() - self.started

    def batches(self) -> list[NDArray[np.int64]]:
        """Indices into the training arrays of all batches of the current epoch."""
        plan, data = self.job.plan, self.job.data
        order = keyed.permutation(plan.seed, self.position.epoch, len(data.train))
        return data.batches(data.train.rows[order])

    def save_is_due(self) -> bool:
        """Whether the interval between saves has passed since the last one."""
        return self.world.any(time.monotonic() - self.started >= self.job.settings.save_every)

    def save(self) -> None:
        """Publish the record, then the checkpoint, whose steps are thus always on record.

        Raises:
            StorageError: the disk is full or fails; the last good files are unchanged.
        """
        self.world.broadcast_buffers(self.job.network)
        with self.world.all_or_none():
            self.write()

    def write(self) -> None:
        """The lead's part of :meth:`save`."""
        self.position = replace(self.position, seconds=self.seconds())
        self.started = time.monotonic()
        if self.world.lead:
            write(self.record, self.directory.record)
            folder, keep = self.directory.checkpoints, self.job.settings.keep
            checkpoints.save(folder, self._checkpoint(), keep)

    def publish_record(self) -> None:
        """Publish the record alone, if the state should not be continued from."""
        with self.world.all_or_none():
            if self.world.lead:
                write(self.record, self.directory.record)

    def table(
        self, group: Group, constants: Mapping[str, Sequence[str] | Sequence[float]] | None = None
    ) -> RecordTable:
        """A table of the record, added if absent.

        Raises:
            InputError: the existing one has other ``constants``, as in the record of another
                network.
        """
        if group.name not in self.record.tables:
            self.record.add(group, constants)
        table = self.record[group.name]
        for name, values in (constants or {}).items():
            if table[name].tolist() != list(values):
                raise InputError(
                    f"{self.directory.record} is of another network: /run/{group.name}/{name} "
                    f"is {brief_list(table[name])}, not {brief_list(values)}",
                    help="put the run's own record back",
                )
        return table

    def event(self, kind: str, message: str) -> None:
        """Record an event."""
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

    def tell(self, kind: str, message: str) -> None:
        """Record an event, and show it."""
        self.event(kind, message)
        self.progress.say(f"{kind}: {message}")

    def status(self, status: str) -> None:
        """Set the status of the run, and the time of its end unless it runs on."""
        self.record.attributes["status"] = status
        self.record.attributes["end_time"] = "" if status == "running" else utc_now()

    def _checkpoint(self) -> Checkpoint:
        parameters = trainable(self.job.network)
        return Checkpoint(
            self.record.attributes["run_id"],
            self.source.text,
            self.job.network.state_dict(),
            optimizer_state(self.job.optimizer, parameters),
            self.position,
            self.best,
            self.job.identity,
            self.job.settings,
            environment(self.job.device),
        )


def start(
    compiled: Compiled,
    options: Options,
    out: AnyPath | None = None,
    world: World = ALONE,
    made: Raw | None = None,
) -> Session:
    """A new run. Its place, spec, options and data are validated before its directory is made.

    The directory appears at its destination when the first checkpoint is durable. ``made`` are
    training samples that replace those of the spec's data set.

    Raises:
        InputError: the spec has no train section; data or options are unsuitable; ``out`` is not
            empty or cannot be made.
        StorageError: the disk is full or fails. Nothing is left behind in either case.
    """
    source, place = compiled.source, None if out is None else Path(out)
    with world.all_or_none():
        if world.lead and place is not None:
            run_directory.require_place(place)
        dtype = options.dtype or "float32"
        settings = settle(options, compiled.spec)
        job = assemble(compiled, options.overrides, dtype, settings, world, made)
    require_same(job, world)
    with world.all_or_none():
        session = _create(job, source, place, world) if world.lead else _follow(job, source, world)
    session.directory = world.broadcast(session.directory)
    return session


def _create(job: Job, source: SourceFile, out: Path | None, world: World) -> Session:
    """The session of the lead in a new run, with its directory."""
    directory, lock = run_directory.create(out, Path(source.name).stem, source.text)
    with ExitStack() as stack:
        stack.callback(run_directory.discard, directory)
        stack.callback(lock.release)
        record = new_record(job, source, directory.name, world.size)
        session = Session(job, source, directory, lock, record, world)
        session.event("start", f"{job.plan.epochs} epochs")
        for warning in job.data.warnings:
            session.event("warning", warning)
        session.write()
        session.directory = run_directory.reveal(directory)
        lock.path = session.directory.lock.path
        stack.pop_all()
    return session


def _follow(job: Job, source: SourceFile, world: World) -> Session:
    """The session of a process other than the lead, with a record in memory only."""
    folder, record = Path(), new_record(job, source, "", world.size)
    return Session(job, source, RunDirectory(folder), nullcontext(), record, world)


def require_same(job: Job, world: World) -> None:
    """Check that all processes have the same job.

    Raises:
        InputError: one has another spec, overrides, seed, type or data than the lead.
    """
    own = asdict(job.identity)
    lead = world.broadcast(own)
    with world.all_or_none():
        differ = [name.replace("_", " ") for name in own if own[name] != lead[name]]
        if differ:
            raise InputError(
                f"it has another {' and '.join(differ)} than process 0",
                help="give all processes the same spec, options and data",
            )
