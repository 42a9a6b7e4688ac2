"""The training loop."""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from ffebm_dsl.diagnostics import NegativeResult, Stopped
from ffebm_dsl.network import Outcome
from ffebm_dsl.network.whole_batch import share
from ffebm_dsl.records import EVAL, GRADIENTS, RELAXATION
from ffebm_dsl.training import keyed, measures
from ffebm_dsl.training.evaluation import Evaluation, evaluate, hits, never
from ffebm_dsl.training.optimizers import base_rate, learning_rate, set_learning_rate
from ffebm_dsl.training.progress import Progress
from ffebm_dsl.training.session import Session
from ffebm_dsl.training.state import Best
from ffebm_dsl.training.stop import StopRequest

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Controls:
    """What can end a run early, and where its progress shows.

    ``max_steps`` counts the run's steps from its beginning, over all resumptions; -1: no limit.
    """

    stop: StopRequest
    progress: Progress
    max_steps: int = -1

    def enough(self, step: int) -> bool:
        return 0 <= self.max_steps <= step


def train(session: Session, controls: Controls) -> Evaluation:
    """Train to the end of the plan, or to ``max_steps``; the evaluation of the result.

    Raises:
        NegativeResult: loss or gradient are not finite. The record holds the step, the last
            checkpoint the state before.
        Stopped: a signal asked for the end. The run is saved after the step it was in.
        StorageError: a record or checkpoint could not be written.
    """
    last: Evaluation | None = None
    device = session.job.device
    session.parallel = session.world.parallel(session.job.network, device)
    with session.claim, torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            while session.position.epoch < session.job.plan.epochs:
                if _asked(session, controls) or not _train_epoch(session, controls):
                    return _halt(session, controls)
                ended, last = _end_epoch(session, controls)
                if not ended:
                    return _halt(session, controls)
            return _finish(session, last)
        finally:
            controls.progress.close()


def _asked(session: Session, controls: Controls) -> bool:
    """Whether a signal has asked one of the processes for the end; all of them now know."""
    number = session.world.largest(controls.stop.signal_number)
    if number:
        controls.stop.signal_number = number
    return number != 0


def _train_epoch(session: Session, controls: Controls) -> bool:
    """The steps that are left of an epoch; False if asked to end before or after one."""
    plan, position, data = session.job.plan, session.position, session.job.data
    base = base_rate(plan.optimizer)
    order = keyed.permutation(plan.seed, position.epoch, len(data.train))
    batches = [order[i : i + data.batch] for i in range(0, len(order), data.batch)]
    controls.progress.start_epoch(
        position.epoch + 1, plan.epochs, len(batches), position.step_in_epoch
    )
    session.job.network.train()
    for indices in batches[position.step_in_epoch :]:
        if controls.enough(session.position.step):
            return False
        part = session.position.step_in_epoch / len(batches)
        rate = learning_rate(plan.schedule, base, position.epoch, plan.epochs, part)
        set_learning_rate(session.job.optimizer, rate)
        _train_step(session, indices, rate, controls.progress)
        if _asked(session, controls):
            return False
        if session.save_is_due():
            session.save()
    return True


def _train_step(session: Session, indices: Indices, rate: float, progress: Progress) -> None:
    """One step of the optimiser, and its rows of the record."""
    plan, position, network = session.job.plan, session.position, session.job.network
    world, part = session.world, session.world.part(len(indices))
    step, epoch = position.step + 1, position.epoch
    # A process without a sample of its own takes one that counts nothing.
    own = indices[part.first : part.first + part.count] if part.count else indices[:1]
    x, y = session.job.data.train.augmented(own, seed=plan.seed, epoch=epoch)
    share(network, part)
    torch.manual_seed(keyed.step_seed(plan.seed, step))
    outcome = session.parallel(x, y)
    assert isinstance(outcome, Outcome)
    session.job.optimizer.zero_grad(set_to_none=True)
    weight, norm = part.count / part.total, math.nan
    share_of_loss = float(outcome.loss.detach()) * weight if part.count else 0.0
    found = float(hits(outcome.logits[: part.count], y[: part.count])[0])
    loss, found = world.total([share_of_loss, found])
    if math.isfinite(loss):
        # The mean over processes of what each takes the gradient of is the mean over samples.
        torch.autograd.backward(outcome.loss * (weight * world.size))
        norm = measures.gradient_norm(network)
    phases = measures.gathered(network.phases(), world, part.count)
    solves = measures.by_solve(phases)
    relaxations = measures.relaxation_row(solves)
    accuracy = found / len(indices)
    sweeps = measures.free_sweeps(solves, relaxations)
    session.record["train"].append(
        {
            "step": step,
            "epoch": epoch + 1,
            "batch_size": len(indices),
            "loss": loss,
            "accuracy": accuracy,
            "learning_rate": rate,
            "gradient_norm": norm,
            "free_sweeps": sweeps,
            "wall_time": session.seconds(),
        }
    )
    if not math.isfinite(norm):
        _diverge(session, step, loss, measures.diverged(solves, relaxations))
    _record_relaxations(session, step, solves, relaxations)
    if plan.diagnose_every and step % plan.diagnose_every == 0:
        _diagnose(session, step, x, y, weight)
    session.job.optimizer.step()
    session.position = replace(position, step=step, step_in_epoch=position.step_in_epoch + 1)
    progress.step(loss, accuracy, sweeps)


def _record_relaxations(
    session: Session,
    step: int,
    solves: measures.Solves,
    row: dict[str, NDArray[np.float64]],
) -> None:
    if "relaxation" not in session.record.tables:
        blocks, phases = zip(*solves, strict=True)
        names = [f"{block}.{phase}" for block, phase in solves]
        session.record.add(RELAXATION, {"solve": names, "block": blocks, "phase": phases})
    session.record["relaxation"].append({"step": step, **row})


def _diagnose(session: Session, step: int, x: torch.Tensor, y: torch.Tensor, weight: float) -> None:
    """Compare this step's gradient with the implicit one, under the same random numbers."""
    if "gradients" not in session.record.tables:
        labels = session.job.network.labels()
        names = [labels[name] for name in measures.trainable(session.job.network)]
        session.record.add(GRADIENTS, {"parameter": names})
    torch.manual_seed(keyed.step_seed(session.job.plan.seed, step))
    row = measures.gradient_row(session.job.network, x, y, session.world, weight)
    session.record["gradients"].append({"step": step, **row})


def _end_epoch(session: Session, controls: Controls) -> tuple[bool, Evaluation | None]:
    """Evaluate and save as the plan asks; False if asked to end meanwhile."""
    plan, epoch = session.job.plan, session.position.epoch + 1
    last = epoch == plan.epochs
    result: Evaluation | None = None
    if last or epoch % plan.eval_every == 0:
        result = _evaluate(session, controls)
        if result is None:
            return False, None
        _record_evaluation(session, epoch, result)
        session.position = replace(session.position, evaluated=session.position.step)
        controls.progress.evaluated(f"epoch {epoch}/{plan.epochs}: {describe(result)}")
    better = result is not None and _score(result) > session.best.score
    if result is not None and better:
        session.best = Best(session.position.step, _score(result))
    session.position = replace(session.position, epoch=epoch, step_in_epoch=0)
    if last or better or epoch % plan.checkpoint_every == 0:
        session.save()
    return True, result


def _halt(session: Session, controls: Controls) -> Evaluation:
    """Save a run that ends before its plan does."""
    number = controls.stop.signal_number if _asked(session, controls) else 0
    if number:
        session.event("signal", signal.Signals(number).name)
    session.status("stopped")
    session.save()
    if number:
        raise Stopped(
            number,
            f"stopped by {signal.Signals(number).name} after step {session.position.step}; "
            "the run is saved",
            help=f"continue with: ffebm train --resume {session.directory.path}",
        )
    result = _evaluate(session, None)
    assert result is not None
    if session.position.evaluated != session.position.step:
        # Outside the plan: it comes after the checkpoint, so that a resumed run cuts it off.
        _record_evaluation(session, session.position.epoch + 1, result)
        session.publish_record()
    return result


def _finish(session: Session, last: Evaluation | None) -> Evaluation:
    """The evaluation of a run whose plan is done, taken again if this process did not take it.

    The record says so only now that the last checkpoint is durable.
    """
    session.event("finish", "all epochs are done")
    session.status("finished")
    session.publish_record()
    result = last if last is not None else _evaluate(session, None)
    assert result is not None
    return result


def _evaluate(session: Session, controls: Controls | None) -> Evaluation | None:
    network, data, world = session.job.network, session.job.data, session.world
    world.align(network)
    cancelled = never if controls is None else partial(_asked, session, controls)
    return evaluate(network, data.test, data.batch, cancelled=cancelled, world=world)


def _record_evaluation(session: Session, epoch: int, result: Evaluation) -> None:
    if "eval" not in session.record.tables:
        session.record.add(EVAL, {"block": list(result.sweeps)})
    table = session.record["eval"]
    table.append(
        {
            "step": session.position.step,
            "epoch": epoch,
            "samples": result.samples,
            "loss": result.loss,
            "top1": result.top1,
            "top5": result.top5,
            "sweeps": list(result.sweeps.values()),
            "wall_time": session.seconds(),
        }
    )


def _diverge(session: Session, step: int, loss: float, causes: list[str]) -> None:
    """Publish the record of a run whose numbers are no longer finite, and end it."""
    what = "loss" if not math.isfinite(loss) else "gradient"
    message = f"the {what} of step {step} is not finite"
    if causes:
        message = f"{message}: {'; '.join(causes)}"
    session.event("diverged", message)
    session.status("diverged")
    session.publish_record()
    raise NegativeResult(
        message,
        help="lower the learning rate or the weights of the block; the last good checkpoint "
        f"is in {session.directory.checkpoints}",
    )


def _score(result: Evaluation) -> float:
    """More is better: the accuracy, or the loss where there is none."""
    return -result.loss if math.isnan(result.top1) else result.top1


def describe(result: Evaluation) -> str:
    """An evaluation in one line."""
    if math.isnan(result.top1):
        return f"test loss {result.loss:.4f}"
    return f"test accuracy {result.top1:.2%}, test loss {result.loss:.4f}"
