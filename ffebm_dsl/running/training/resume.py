"""Resumption of a run from its directory."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ffebm_dsl.language.diagnostics import AnyPath, InputError, SourceFile
from ffebm_dsl.language.diagnostics.brief import brief
from ffebm_dsl.language.ir import Compiled, compile_spec, read_source
from ffebm_dsl.physics.network.whole_batch import BatchNorm
from ffebm_dsl.running import run_directory
from ffebm_dsl.running.records import Record, read
from ffebm_dsl.running.run_directory import RunDirectory
from ffebm_dsl.running.storage import FileLock, publish, remove_leftovers
from ffebm_dsl.running.training import checkpoint as checkpoints
from ffebm_dsl.running.training.checkpoint import Checkpoint
from ffebm_dsl.running.training.environment import environment
from ffebm_dsl.running.training.job import Job, Options, assemble, settle
from ffebm_dsl.running.training.measures import trainable
from ffebm_dsl.running.training.provenance import (
    JUDGED_BY,
    add_segment,
    changed_defaults,
    describe,
    is_described,
    last_processes,
    new_record,
)
from ffebm_dsl.running.training.restoring import restore_network, restore_optimizer
from ffebm_dsl.running.training.session import Session, require_same
from ffebm_dsl.running.training.world import ALONE, World

SHOWN_LINES = 20

INEXACT = (
    "resume without changing it, start a new run, or give --allow-inexact: the run then goes on, "
    "and its record says what was changed"
)
FIXED = "resume without changing it, or start a new run: only the train section of a run can change"


@dataclass(frozen=True)
class Found:
    """A run on disk: its ``checkpoint``, read from ``path``, and its ``spec``."""

    directory: RunDirectory
    spec: SourceFile
    path: Path
    checkpoint: Checkpoint


@dataclass
class Agreement:
    """Compares a run with the settings that it is to continue with.

    The first difference is an error, unless differences are ``allowed``: then they are collected in
    ``differences``, to be shown and recorded. ``help`` is the remedy of the error.
    """

    allowed: bool = False
    help: str = INEXACT
    differences: list[str] = field(default_factory=list)

    def text(self, kept: SourceFile, other: SourceFile) -> None:
        """Compare the run's spec with another.

        Raises:
            InputError: they differ; the message contains the first lines of the difference.
        """
        if kept.text == other.text:
            return
        old, new = kept.text.splitlines(keepends=True), other.text.splitlines(keepends=True)
        changes = difflib.unified_diff(old, new, "the run's spec", other.name, n=0)
        lines = [brief(line.rstrip("\n")) for line in changes]
        if len(lines) > SHOWN_LINES and not self.allowed:
            lines = [*lines[:SHOWN_LINES], f"... and {len(lines) - SHOWN_LINES} lines more"]
        heading = f"{other.name} is not the spec that the run was made with:"
        self._differ("\n".join([heading, *lines]))

    def values(self, name: str, kept: object, given: object) -> None:
        """Compare a value, or a table of values, with the run's.

        Raises:
            InputError: they differ; the message names every differing entry.
        """
        if kept == given:
            return
        if isinstance(kept, Mapping) and isinstance(given, Mapping):
            keys = [key for key in {**kept, **given} if kept.get(key) != given.get(key)]
            shown = [[brief(table.get(key, "not set")) for key in keys] for table in (kept, given)]
            changes = [
                f"{brief(key)} was {was}, is {now}"
                for key, was, now in zip(keys, *shown, strict=True)
            ]
        else:
            changes = [f"was {brief(kept)}, is {brief(given)}"]
        self._differ(f"the run was made with other {name}: {'; '.join(changes)}")

    def _differ(self, message: str) -> None:
        if not self.allowed:
            raise InputError(message, help=self.help)
        self.differences.append(message)


def resume(
    run: AnyPath,
    options: Options,
    warn: checkpoints.Warn,
    source: SourceFile | None = None,
    *,
    allowed: bool = False,
    world: World = ALONE,
) -> Session:
    """The run in directory ``run``, in the state of its newest valid checkpoint.

    ``source``, if given, must be the run's spec. The record is cut to the checkpoint's step. If
    differences are ``allowed``, the run continues with the new settings, but its model and type
    must be the same; ``warn`` is called for each difference, and the record contains them. In a
    ``world``, only the lead reads the directory, and sends its contents to the others.

    Raises:
        InputError: no run directory, a directory used by another process, no valid checkpoint, a
            damaged record, or a spec, override, seed, type, data set, default of the language or
            environment that differs from the run's.
        StorageError: the run directory is not writable.
    """
    found: Found | None = None
    lock: FileLock | nullcontext[None] = nullcontext()
    with world.all_or_none():
        if world.lead:
            found, lock = _find(Path(run), warn)
    found = world.broadcast(found)
    assert found is not None
    with ExitStack() as stack:
        stack.enter_context(lock)
        agreement = Agreement(allowed)
        with world.all_or_none():
            session = _restore(found, lock, options, source, agreement, world)
        require_same(session.job, world)
        _begin_segment(session, found.path, agreement.differences)
        for difference in agreement.differences:
            warn(f"the run continues, but not bit for bit: {difference}")
        stack.pop_all()
    return session


def _find(run: Path, warn: checkpoints.Warn) -> tuple[Found, FileLock]:
    """The run on disk, locked."""
    directory = run_directory.open_run(run)
    with ExitStack() as stack:
        lock = stack.enter_context(directory.lock)
        for folder in (directory.path, directory.checkpoints):
            remove_leftovers(folder)
        path, checkpoint = checkpoints.newest(directory.checkpoints, warn)
        found = Found(directory, read_source(directory.spec), path, checkpoint)
        stack.pop_all()
    return found, lock


def _restore(
    found: Found,
    lock: FileLock | nullcontext[None],
    options: Options,
    source: SourceFile | None,
    agreement: Agreement,
    world: World,
) -> Session:
    """The session of a run as it was at its checkpoint."""
    saved = found.checkpoint
    others = [found.spec, *([source] if source is not None else [])]
    compiled, overrides, same_optimizer = _agree(saved, options, others, agreement)
    settings = settle(options, compiled.spec, saved.settings)
    job = assemble(compiled, overrides, saved.identity.dtype, settings, world)
    agreement.values("data", saved.identity.data, job.identity.data)
    if world.lead:
        # The environment in the checkpoint is that of its lead process.
        agreement.values("environment", saved.environment, environment(job.device))
        record = _record(found)
        if is_described(record, job):
            agreement.values("defaults", *changed_defaults(record, job))
        _compare_processes(record, job, agreement, world)
    else:
        record = new_record(job, compiled.source, saved.run_id, world.size)
    session = Session(job, compiled.source, found.directory, lock, record, world)
    restore_network(job.network, saved.network, found.path)
    if same_optimizer:
        parameters = trainable(job.network)
        restore_optimizer(job.optimizer, parameters, saved.optimizer, found.path)
    session.position = saved.position
    if saved.identity.data == job.identity.data:
        session.best = saved.best
    else:
        _forget_best(session)
    return session


def _forget_best(session: Session) -> None:
    """Of a run on other data than before: evaluations on different sets are not compared."""
    attributes, judged_on = session.record.attributes, session.job.data.judged_on
    session.event("change", "no evaluation is the best so far: the earlier ones are of other data")
    if "test" in (attributes["evaluated_on"], judged_on):
        attributes["test_set"] = JUDGED_BY
    attributes["evaluated_on"] = judged_on


def _compare_processes(record: Record, job: Job, agreement: Agreement, world: World) -> None:
    """Compare the numbers of processes, which change the computation only with batch norm."""
    if any(isinstance(m, BatchNorm) and not m.sync for m in job.network.modules()):
        before = {"processes": last_processes(record)}
        name = "number of processes, each with batch norm of its own"
        agreement.values(name, before, {"processes": world.size})


def _agree(
    found: Checkpoint, options: Options, others: list[SourceFile], agreement: Agreement
) -> tuple[Compiled, dict[str, str], bool]:
    """The compiled spec to continue with, its overrides, and whether its optimiser is the same.

    ``others`` are specs that should equal the run's; the last one is used.
    """
    identity = found.identity
    Agreement(help=FIXED).values("dtype", identity.dtype, options.dtype or identity.dtype)
    kept = SourceFile(others[0].name, found.spec_text)
    was = compile_spec(kept, identity.overrides, None)
    overrides = {**identity.overrides, **options.overrides}
    if compile_spec(kept, overrides, None).spec == was.spec:
        overrides = dict(identity.overrides)
    now = compile_spec(others[-1], overrides, None)
    if now.spec.model != was.spec.model:
        # Parameters and record would not fit, so that no difference can be allowed.
        agreement = Agreement(help=FIXED)
    for other in others:
        agreement.text(kept, other)
    agreement.values("overrides", identity.overrides, overrides)
    plans = was.spec.train, now.spec.train
    return now, overrides, len({plan.optimizer.name for plan in plans if plan is not None}) == 1


def _record(run: Found) -> Record:
    """The run's record, cut to its checkpoint."""
    directory, found, path = run.directory, run.checkpoint, run.path
    record = read(directory.record)
    if record.attributes["run_id"] != found.run_id:
        raise InputError(
            f"{directory.record} is the record of run {brief(record.attributes['run_id'])}, "
            f"{path.name} a checkpoint of run {brief(found.run_id)}",
            help="put the run's own files back",
        )
    if not (len(record["events"]) and len(record["segments"]) and _has_processes(record)):
        raise InputError(
            f"{directory.record} does not say which processes worked on the run",
            help="the record was changed; put the right one back",
        )
    recorded = record["train"]["step"]
    if found.position.step > (recorded[-1] if len(recorded) else 0):
        raise InputError(
            f"{directory.record} ends before step {found.position.step} of {path.name}",
            help="the record was replaced by an older one; put the right one back",
        )
    record.cut(found.position.step, evaluated=found.position.evaluated)
    return record


def _has_processes(record: Record) -> bool:
    try:
        return last_processes(record) >= 1
    except (ValueError, LookupError, TypeError, RecursionError):
        return False


def _begin_segment(session: Session, path: Path, differences: list[str]) -> None:
    """Record the resumption of the run and its differences."""
    record, world = session.record, session.world
    if not is_described(record, session.job) or any(changed_defaults(record, session.job)):
        describe(record, session.job, session.source)
    before = last_processes(record)
    exact = not differences and before == world.size and bool(np.all(record["segments"]["exact"]))
    start = session.position.step
    add_segment(record, session.job, start_step=start, exact=exact, processes=world.size)
    session.event("resume", f"from {path.name}")
    for difference in differences:
        session.event("change", difference)
    if before != world.size:
        session.event("change", f"processes: was {before}, is {world.size}; sums differ in order")
    session.status("running")
    if world.any(bool(differences)):
        # The checkpoint is written last: the change takes effect once it is durable.
        with world.all_or_none():
            if world.lead:
                publish(session.directory.spec, session.source.text.encode())
        session.save()
