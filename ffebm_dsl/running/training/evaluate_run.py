"""The trained network of a run and its evaluation, from the run directory alone."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import AnyPath, InputError
from ffebm_dsl.language.ir import Compiled, compile_spec, read_source
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.running.run_directory import RunDirectory, open_run
from ffebm_dsl.running.training import checkpoint as checkpoints
from ffebm_dsl.running.training.checkpoint import Checkpoint
from ffebm_dsl.running.training.denormals import flushing_denormals
from ffebm_dsl.running.training.environment import choose_dtype
from ffebm_dsl.running.training.evaluation import Evaluation, evaluate
from ffebm_dsl.running.training.job import Options, assemble, settle
from ffebm_dsl.running.training.other_device import OtherDevice, moved, refitted
from ffebm_dsl.running.training.restoring import restore_network


@dataclass(frozen=True)
class Chosen:
    """A checkpoint of a run, and why it was chosen.

    Attributes:
        path, step: of the checkpoint.
        which: ``best``, ``last``, or ``file``: it was named by its path.
        judged_on: the set by which the best one was found, ``validation`` or ``test``.
    """

    path: Path
    step: int
    which: str
    judged_on: str

    def __str__(self) -> str:
        judge = "validation" if self.judged_on == "validation" else "the test set"
        reason = {"best": f", the best by {judge}", "last": ", the last"}.get(self.which, "")
        return f"checkpoint {self.path} (step {self.step}{reason})"


@dataclass(frozen=True)
class EvaluatedCheckpoint:
    """An evaluation and its checkpoint."""

    chosen: Chosen
    result: Evaluation


class TrainedNetwork(NamedTuple):
    """The network of a run, its spec, and the checkpoint that its weights are from."""

    network: HybridNetwork
    spec: SpecIR
    chosen: Chosen


@flushing_denormals()
def evaluate_run(
    run: AnyPath,
    which: AnyPath | None,
    options: Options,
    batch: int | None,
    warn: checkpoints.Warn,
    on: str | None = None,
    other: OtherDevice | None = None,
) -> EvaluatedCheckpoint:
    """Evaluate a checkpoint of ``run`` on its data.

    Args:
        run: a run directory.
        which: ``last``, ``best``, or the path of a checkpoint; None for the best one if a
            validation set found it, else the last.
        options: data directory, device and threads, if different from the run's.
        batch: samples per batch; None for the batch size of training.
        on: ``validation`` or ``test``; None for the test set if there is one.
        warn: called for invalid checkpoints, and for data that differ.
        other: hardware that replaces that of training.

    Raises:
        InputError: no such run or checkpoint, a wrong checksum or spec, or data that are missing or
            unsuitable, or have no such set.
    """
    chosen, found, compiled = _opened(Path(run), which, warn)
    if other is not None and other.changes:
        compiled = replace(compiled, spec=moved(compiled, found.identity.overrides, other))
    settings = settle(options, compiled.spec, found.settings)
    job = assemble(compiled, found.identity.overrides, found.identity.dtype, settings)
    if asdict(job.identity)["data"] != found.identity.data:
        warn("the data are not those that the run was trained with")
    for warning in job.data.warnings:
        warn(warning)
    saved = found.network
    if other is not None and other.changes:
        saved = refitted(job.network, saved)
    restore_network(job.network, saved, chosen.path)
    on = on or ("validation" if job.data.test is None else "test")
    result = evaluate(job.network, job.data.named(on), batch or job.data.batch)
    assert result is not None
    return EvaluatedCheckpoint(chosen, result)


def network_of_run(
    run: AnyPath, which: AnyPath | None, device: str | torch.device, warn: checkpoints.Warn
) -> TrainedNetwork:
    """The network of ``run`` with the weights of a checkpoint, in the run's dtype, and its spec.

    ``which`` and ``warn`` are as in :func:`evaluate_run`. No data are read.

    Raises:
        InputError: no such run, no checkpoint, or a wrong checksum or spec.
    """
    chosen, found, compiled = _opened(Path(run), which, warn)
    dtype = choose_dtype(found.identity.dtype)
    network = build(compiled.spec, seed=found.identity.seed, dtype=dtype)
    restore_network(network, found.network, chosen.path)
    return TrainedNetwork(network.to(device), compiled.spec, chosen)


def _opened(
    run: Path, which: AnyPath | None, warn: checkpoints.Warn
) -> tuple[Chosen, Checkpoint, Compiled]:
    """A checkpoint, and the spec that it was trained with."""
    directory = open_run(run)
    chosen, found = _choose(directory, which, warn)
    source = read_source(directory.spec)
    if hashlib.sha256(source.text.encode()).hexdigest() != found.identity.spec_sha256:
        raise InputError(
            f"{directory.spec} is not the spec that checkpoint {chosen.path} was trained with",
            help="put back the run's spec; run.h5 holds its text as run/provenance/spec_text",
        )
    return chosen, found, compile_spec(source, found.identity.overrides, None)


def _choose(
    directory: RunDirectory, which: AnyPath | None, warn: checkpoints.Warn
) -> tuple[Chosen, Checkpoint]:
    if which not in ("best", "last", None):
        path = Path(which)
        if not path.exists():
            raise InputError(
                f"checkpoint {path} cannot be read: there is no such file",
                help=f"give best, last or the path of a file in {directory.checkpoints}",
            )
        return _chosen(path, checkpoints.load(path), "file")
    path, found = checkpoints.newest(directory.checkpoints, warn)
    which = which or checkpoints.preferred(found.identity, found.best)
    if which == "last":
        return _chosen(path, found, "last")
    if not found.best.step:
        raise InputError(
            f"{directory.path} has no best checkpoint: it was never evaluated",
            help="use --checkpoint last",
        )
    best = checkpoints.path_of(directory.checkpoints, found.best.step)
    return _chosen(best, checkpoints.load(best), "best")


def _chosen(path: Path, found: Checkpoint, which: str) -> tuple[Chosen, Checkpoint]:
    return Chosen(path, found.position.step, which, found.identity.judged_on), found
