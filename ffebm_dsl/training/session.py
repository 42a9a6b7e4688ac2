"""A run in progress: made from a spec, or taken up again from its directory."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ffebm_dsl.diagnostics import FfebmError, InputError, SourceFile
from ffebm_dsl.ir import Compiled, compile_spec, read_source
from ffebm_dsl.records import Record, publish, read, remove_leftovers, utc_now, write
from ffebm_dsl.training import checkpoint as checkpoints
from ffebm_dsl.training import run_directory, state
from ffebm_dsl.training.agreement import Agreement
from ffebm_dsl.training.claim import Claim
from ffebm_dsl.training.environment import environment
from ffebm_dsl.training.job import Job, Options, assemble, settle
from ffebm_dsl.training.measures import trainable
from ffebm_dsl.training.provenance import add_segment, describe, is_described, new_record
from ffebm_dsl.training.run_directory import RunDirectory
from ffebm_dsl.training.state import Best, Checkpoint, Position


@dataclass
class Session:
    """A job with its place on disk, its record, and how far it has come.

    ``claim`` keeps other processes from the run; training gives it up at its end.
    """

    job: Job
    source: SourceFile
    directory: RunDirectory
    claim: Claim
    record: Record
    position: Position = field(default_factory=Position)
    best: Best = field(default_factory=Best)
    started: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Time spent in training, by all processes that worked on the run."""
        return self.position.seconds + time.monotonic() - self.started

    def save_is_due(self) -> bool:
        """Whether the last save is so long ago that the user wants the next."""
        return time.monotonic() - self.started >= self.job.settings.save_every

    def save(self) -> None:
        """Publish the record, then the checkpoint: a checkpoint's steps are always on record.

        Raises:
            StorageError: the disk is full or refuses; the last good files stand.
        """
        self.position = replace(self.position, seconds=self.seconds())
        self.started = time.monotonic()
        self.publish_record()
        checkpoints.save(self.directory.checkpoints, self._checkpoint(), self.job.settings.keep)

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
        parameters = trainable(self.job.network)
        return Checkpoint(
            self.record.attributes["run_id"],
            self.source.text,
            self.job.network.state_dict(),
            state.optimizer_state(self.job.optimizer, parameters),
            self.position,
            self.best,
            self.job.identity,
            self.job.settings,
            environment(self.job.device),
        )


def start(compiled: Compiled, options: Options, out: Path | None = None) -> Session:
    """A new run. Spec, options and data are checked before its directory is made.

    The directory appears at its place when the first checkpoint is durable.

    Raises:
        InputError: the spec has no train section; data or options are unfit; ``out`` is not
            empty or cannot be made.
        StorageError: the disk is full or refuses. Nothing is left behind in either case.
    """
    source = compiled.source
    job = assemble(compiled, options.overrides, options.dtype or "float32", settle(options))
    directory, claim = run_directory.create(out, Path(source.name).stem, source.text)
    try:
        session = Session(job, source, directory, claim, new_record(job, source, directory.name))
        session.event("start", f"{job.plan.epochs} epochs")
        session.save()
        session.directory = run_directory.reveal(directory)
        claim.folder = session.directory.path
    except FfebmError:
        claim.release()
        run_directory.discard(directory)
        raise
    return session


def resume(
    run: Path,
    options: Options,
    warn: checkpoints.Warn,
    source: SourceFile | None = None,
    *,
    allowed: bool = False,
) -> Session:
    """The run in directory ``run``, as it was at its newest checkpoint that verifies.

    ``source``, if given, must be the run's spec. The record is cut to the checkpoint's step.
    If differences are ``allowed``, the run goes on with what is given now, except that its
    model and type must be the same; ``warn`` hears of each, and the record holds them.

    Raises:
        InputError: no run directory, one that another process works on, no checkpoint that
            verifies, a damaged record, or a spec, override, seed, type, data set or
            environment that differs from the run's.
        StorageError: the run directory cannot be written.
    """
    directory = run_directory.open_run(run)
    claim = Claim(directory.path)
    with claim:
        for folder in (directory.path, directory.checkpoints):
            remove_leftovers(folder)
        path, found = checkpoints.newest(directory.checkpoints, warn)
        agreement = Agreement(allowed)
        others = [read_source(directory.spec), *([source] if source is not None else [])]
        compiled, overrides, same_optimizer = _agree(found, options, others, agreement)
        settings = settle(options, found.settings)
        job = assemble(compiled, overrides, found.identity.dtype, settings)
        agreement.values("data", found.identity.data, job.identity.data)
        agreement.values("environment", found.environment, environment(job.device))
        session = Session(job, compiled.source, directory, claim, _record(directory, found, path))
        state.restore_network(job.network, found.network, path)
        if same_optimizer:
            parameters = trainable(job.network)
            state.restore_optimizer(job.optimizer, parameters, found.optimizer, path)
        _take_up(session, found, path, agreement.differences)
        for difference in agreement.differences:
            warn(f"the run goes on, but not bit for bit: {difference}")
        claim.keep()
    return session


def _agree(
    found: Checkpoint, options: Options, others: list[SourceFile], agreement: Agreement
) -> tuple[Compiled, dict[str, str], bool]:
    """What to go on with: the compiled spec, its overrides, and whether its optimiser is the same.

    ``others`` are specs that should be the run's; the last one counts.
    """
    identity = found.identity
    Agreement().values("dtype", identity.dtype, options.dtype or identity.dtype)
    kept = SourceFile(others[0].name, found.spec_text)
    for other in others:
        agreement.text(kept, other)
    was = compile_spec(kept, identity.overrides, None)
    overrides = {**identity.overrides, **options.overrides}
    if compile_spec(kept, overrides, None).spec != was.spec:
        agreement.values("overrides", identity.overrides, overrides)
    else:
        overrides = dict(identity.overrides)
    now = compile_spec(others[-1], overrides, None)
    if now.spec.model != was.spec.model:
        raise InputError(
            f"{others[-1].name} is another model than the run's: its parameters and its record "
            "do not fit",
            help="only the train section of a run can change; start a new run for another model",
        )
    plans = was.spec.train, now.spec.train
    return now, overrides, len({plan.optimizer.name for plan in plans if plan is not None}) == 1


def _record(directory: RunDirectory, found: Checkpoint, path: Path) -> Record:
    """The run's record, cut to its checkpoint."""
    record = read(directory.record)
    if record.attributes["run_id"] != found.run_id:
        raise InputError(
            f"{directory.record} is the record of run {record.attributes['run_id']}, "
            f"{path.name} a checkpoint of run {found.run_id}",
            help="put the run's own files back",
        )
    recorded = record["train"]["step"]
    if found.position.step > (recorded[-1] if len(recorded) else 0):
        raise InputError(
            f"{directory.record} ends before step {found.position.step} of {path.name}",
            help="the record was replaced by an older one; put the right one back",
        )
    record.cut(found.position.step, evaluated=found.position.evaluated)
    return record


def _take_up(session: Session, found: Checkpoint, path: Path, differences: list[str]) -> None:
    """Bring a session to the position of a checkpoint, and note what is different now."""
    session.position, session.best = found.position, found.best
    record = session.record
    if not is_described(record, session.job):
        describe(record, session.job, session.source)
    exact = not differences and bool(np.all(record["segments"]["exact"]))
    add_segment(record, session.job, start_step=found.position.step, exact=exact)
    session.event("resume", f"from {path.name}")
    for difference in differences:
        session.event("change", difference)
    session.status("running")
    if differences:
        # The checkpoint is last: until it is durable, the change has not taken place.
        publish(session.directory.spec, session.source.text.encode())
        session.save()
