"""The evaluations of a run: those during training, and that on the test set at its end.

With some of those during training, how far rounding carries in the blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from ffebm_dsl.build import build
from ffebm_dsl.physics.network.amplification import amplification
from ffebm_dsl.physics.network.block import BlockSettings
from ffebm_dsl.physics.network.hybrid_network import Outcome
from ffebm_dsl.running.records import AMPLIFICATION, EVAL, QUANTITIES, TEST
from ffebm_dsl.running.training import checkpoint as checkpoints
from ffebm_dsl.running.training.batch_statistics import estimate_statistics
from ffebm_dsl.running.training.data import Dataset
from ffebm_dsl.running.training.environment import seed_generators
from ffebm_dsl.running.training.evaluation import Evaluation, evaluate, never
from ffebm_dsl.running.training.progress import Row
from ffebm_dsl.running.training.provenance import JUDGED_BY
from ffebm_dsl.running.training.session import Session

SAMPLES = 4
"""Number of samples on which the amplification of rounding is measured."""


def renew_statistics(session: Session, cancelled: Callable[[], bool] = never) -> None:
    """Replace the batch-norm statistics by those of the current weights."""
    estimate_statistics(
        session.job.network,
        session.job.data.train,
        session.batches(),
        cancelled=cancelled,
        world=session.world,
    )


def evaluate_session(session: Session, cancelled: Callable[[], bool] = never) -> Evaluation | None:
    """Evaluate on the validation set, or else the test set; None if ``cancelled`` returned True."""
    network, data, world = session.job.network, session.job.data, session.world
    world.broadcast_buffers(network)
    judged = data.named(data.judged_on)
    return evaluate(network, judged, data.batch, cancelled=cancelled, world=world)


def final_weights(session: Session) -> tuple[int, str]:
    """The step of the weights that a finished run is used with, and ``best`` or ``last``."""
    which = checkpoints.preferred(session.job.identity, session.best)
    return (session.best if which == "best" else session.position).step, which


def weights_of_result(session: Session) -> tuple[int, str]:
    """As :func:`final_weights`, of the evaluation that ``train`` ended with."""
    finished = session.record.attributes["status"] == "finished"
    return final_weights(session) if finished else (session.position.step, "last")


def evaluate_finished(session: Session, last: Evaluation | None) -> Evaluation:
    """Evaluate the weights that a finished run is used with.

    On the test set if there is a validation set too, else on the set of evaluations in training.
    ``last`` is the evaluation of the last weights on that set, if they were evaluated.
    """
    data, (step, _) = session.job.data, final_weights(session)
    if data.validation is not None and data.test is not None:
        return _read_test_set(session, step, data.test)
    if last is not None and step == session.position.step:
        return last
    with _weights_of(session, step):
        found = evaluate_session(session)
    assert found is not None
    return found


@contextmanager
def _weights_of(session: Session, step: int) -> Iterator[None]:
    """Give the network the weights of the checkpoint of ``step`` for a while."""
    if step == session.position.step:
        yield
        return
    network, world = session.job.network, session.world
    own = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    path = checkpoints.path_of(session.directory.checkpoints, step)
    network.load_state_dict(world.broadcast(checkpoints.load(path).network if world.lead else {}))
    try:
        yield
    finally:
        network.load_state_dict(own)


def _read_test_set(session: Session, step: int, test: Dataset) -> Evaluation:
    """Evaluate the weights of ``step`` on the test set, which is used only here."""
    position = session.position
    with _weights_of(session, step):
        result = evaluate(session.job.network, test, session.job.data.batch, world=session.world)
    assert result is not None
    table = session.table(TEST)
    if len(table) and (table["step"][-1], table["weights"][-1]) == (position.step, step):
        return result  # resumed after its end: the same result as on record
    session.event("test", f"the test set is read, with the weights of step {step}")
    times = int((session.record["events"]["kind"] == "test").sum())
    once = "read once, at the end"
    if session.record.attributes["test_set"] != JUDGED_BY:
        session.record.attributes["test_set"] = once if times == 1 else f"read {times} times"
    found = {"loss": result.loss, "top1": result.top1, "top5": result.top5}
    row = {"step": position.step, "weights": step, "samples": result.samples, **found}
    table.append(row)
    session.progress.tested(row)
    return result


def record_evaluation(session: Session, epoch: int, result: Evaluation) -> Row:
    """Record an evaluation; return its row of the record."""
    row: Row = {
        "step": session.position.step,
        "epoch": epoch,
        "samples": result.samples,
        "loss": result.loss,
        "top1": result.top1,
        "top5": result.top5,
        "sweeps": list(result.sweeps.values()),
        "wall_time": session.seconds(),
    }
    session.table(EVAL, {"block": list(result.sweeps)}).append(row)
    if result.quantities:
        session.table(QUANTITIES, {"quantity": list(result.quantities)}).append(
            {"step": session.position.step, "mean": list(result.quantities.values())}
        )
    return row


def record_amplification(session: Session) -> None:
    """Record how far rounding carries in each block with the current weights, in float64.

    On the first samples of the training set, by the first process.
    """
    job, epoch = session.job, session.position.epoch
    if not session.world.lead:
        return
    network = build(job.spec, seed=job.plan.seed, dtype=torch.float64, device=job.device)
    network.load_state_dict(job.network.state_dict())
    train, labels = job.data.train, network.labels()
    inputs, y = train.augmented(train.rows[:SAMPLES], seed=job.plan.seed, epoch=epoch)
    inputs = tuple(x.double() for x in inputs)
    target = y.double() if y.is_floating_point() else y
    parameters = dict(network.named_parameters())

    def gradients(settings: Mapping[str, BlockSettings]) -> dict[str, Tensor]:
        seed_generators(job.plan.seed, job.device)
        outcome = network(*inputs, target, settings=settings)
        assert isinstance(outcome, Outcome)
        found = torch.autograd.grad(
            outcome.loss, [*parameters.values()], allow_unused=True, materialize_grads=True
        )
        return {labels[name]: g for name, g in zip(parameters, found, strict=True)}

    rows = amplification(network, gradients, job.plan.seed, trials=1)
    table = session.table(AMPLIFICATION, {"block": [row.block for row in rows]})
    table.append(
        {
            "step": session.position.step,
            "states": [row.outputs for row in rows],
            "gradients": [row.gradients for row in rows],
        }
    )


def score_of(result: Evaluation) -> float:
    """The score to be maximised: the accuracy, or the negative loss if there is none."""
    return -result.loss if math.isnan(result.top1) else result.top1


def describe(result: Evaluation) -> str:
    """An evaluation in one line."""
    if math.isnan(result.top1):
        return f"{result.on} loss {result.loss:.4f}"
    return f"{result.on} accuracy {result.top1:.2%}, {result.on} loss {result.loss:.4f}"
