"""The evaluations of a run: those during training, and that on the test set at its end."""

from __future__ import annotations

import math
from collections.abc import Callable

from ffebm_dsl.running.records import EVAL, QUANTITIES, TEST
from ffebm_dsl.running.training import checkpoint as checkpoints
from ffebm_dsl.running.training.batch_statistics import estimate_statistics
from ffebm_dsl.running.training.data import Dataset
from ffebm_dsl.running.training.evaluation import Evaluation, evaluate, never
from ffebm_dsl.running.training.progress import Progress, Row
from ffebm_dsl.running.training.session import Session


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


def read_test_set(session: Session, test: Dataset, progress: Progress) -> Evaluation:
    """Evaluate the weights of the best evaluation on the test set, which is used only here."""
    network, world, position = session.job.network, session.world, session.position
    own = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    step = session.best.step or position.step
    if step != position.step:
        path = checkpoints.path_of(session.directory.checkpoints, step)
        network.load_state_dict(
            world.broadcast(checkpoints.load(path).network if world.lead else {})
        )
    result = evaluate(network, test, session.job.data.batch, world=world)
    assert result is not None
    network.load_state_dict(own)
    table = session.table(TEST)
    if len(table) and (table["step"][-1], table["weights"][-1]) == (position.step, step):
        return result  # resumed after its end: the same result as on record
    session.event("test", f"the test set is read, with the weights of step {step}")
    times = int((session.record["events"]["kind"] == "test").sum())
    once = "read once, at the end"
    session.record.attributes["test_set"] = once if times == 1 else f"read {times} times"
    found = {"loss": result.loss, "top1": result.top1, "top5": result.top5}
    row = {"step": position.step, "weights": step, "samples": result.samples, **found}
    table.append(row)
    progress.tested(row)
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


def score_of(result: Evaluation) -> float:
    """The score to be maximised: the accuracy, or the negative loss if there is none."""
    return -result.loss if math.isnan(result.top1) else result.top1


def describe(result: Evaluation) -> str:
    """An evaluation in one line."""
    if math.isnan(result.top1):
        return f"{result.on} loss {result.loss:.4f}"
    return f"{result.on} accuracy {result.top1:.2%}, {result.on} loss {result.loss:.4f}"
