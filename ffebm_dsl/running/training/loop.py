"""The training loop."""

from __future__ import annotations

import math
import signal
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import NegativeResult, Stopped
from ffebm_dsl.physics.network import Outcome
from ffebm_dsl.physics.network.whole_batch import share
from ffebm_dsl.running.records import BAD_STEPS, EVAL, GRADIENTS, RELAXATION
from ffebm_dsl.running.training import keyed, measures
from ffebm_dsl.running.training.bad_steps import Attempt, Batch, Verdict
from ffebm_dsl.running.training.evaluation import Evaluation, evaluate, hits, never
from ffebm_dsl.running.training.optimizers import base_rate, learning_rate, set_learning_rate
from ffebm_dsl.running.training.progress import Progress
from ffebm_dsl.running.training.session import Session
from ffebm_dsl.running.training.state import Best
from ffebm_dsl.running.training.stop import StopRequest

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
        NegativeResult: numbers went wrong, and the policy of the spec is, or has come to,
            ``stop``. The record holds the step, the last checkpoint the state before.
        Stopped: a signal asked for the end. The run is saved after the step it was in.
        StorageError: a record or checkpoint could not be written.
    """
    last: Evaluation | None = None
    device = session.job.device
    session.parallel = session.world.parallel(session.job.network, device)
    with session.lock, torch.random.fork_rng([device] if device.type == "cuda" else []):
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
    plan, position = session.job.plan, session.position
    step, epoch = position.step + 1, position.epoch
    part = session.world.part(len(indices))
    # A process without a sample of its own takes one that counts nothing.
    own = indices[part.first : part.first + part.count] if part.count else indices[:1]
    x, y = session.job.data.train.augmented(own, seed=plan.seed, epoch=epoch)
    batch = Batch(step, epoch + 1, keyed.step_seed(plan.seed, step), own, x, y, part)
    verdict = session.guard.settle(batch, lambda: _compute(session, batch), position.skipped)
    attempt = verdict.attempt
    solves = measures.by_solve(attempt.reports)
    relaxations = measures.relaxation_row(solves)
    accuracy = attempt.hits / len(indices)
    sweeps = measures.free_sweeps(solves, relaxations)
    session.record["train"].append(
        {
            "step": step,
            "epoch": epoch + 1,
            "batch_size": len(indices),
            "loss": attempt.loss,
            "accuracy": accuracy,
            "learning_rate": rate,
            "gradient_norm": attempt.norm,
            "free_sweeps": sweeps,
            "wall_time": session.seconds(),
        }
    )
    if verdict.trouble is not None:
        _answer(session, batch, verdict, progress)
    if verdict.applied:
        _record_relaxations(session, step, solves, relaxations)
        if attempt.diagnosis is not None:
            session.record["gradients"].append({"step": step, **attempt.diagnosis})
    skipped = position.skipped + (not verdict.applied)
    session.position = replace(
        position, step=step, step_in_epoch=position.step_in_epoch + 1, skipped=skipped
    )
    progress.step(attempt.loss, accuracy, sweeps)


def _compute(session: Session, batch: Batch) -> Attempt:
    """Loss, gradient and, if they are finite, a step of the optimiser. Nobody has judged it yet."""
    plan, network, world, part = session.job.plan, session.job.network, session.world, batch.part
    share(network, part)
    torch.manual_seed(batch.seed)
    outcome = session.parallel(batch.x, batch.y)
    assert isinstance(outcome, Outcome)
    session.job.optimizer.zero_grad(set_to_none=True)
    weight, norm, diagnosis = part.count / part.total, math.nan, None
    share_of_loss = float(outcome.loss.detach()) * weight if part.count else 0.0
    found = float(hits(outcome.logits[: part.count], batch.y[: part.count])[0])
    loss, found = world.total([share_of_loss, found])
    if math.isfinite(loss):
        # The mean over processes of what each takes the gradient of is the mean over samples.
        torch.autograd.backward(outcome.loss * (weight * world.size))
        norm = measures.gradient_norm(network)
    reports = tuple(measures.gathered(network.phases(), world, part.count))
    if math.isfinite(norm):
        if plan.diagnose_every and batch.step % plan.diagnose_every == 0:
            diagnosis = _diagnose(session, batch, weight)
        session.job.optimizer.step()
    return Attempt(found, loss, norm, reports, diagnosis)


def _answer(session: Session, batch: Batch, verdict: Verdict, progress: Progress) -> None:
    """Record a bad step and what is done about it.

    Raises:
        NegativeResult: the run ends here, saved as it was before the step.
    """
    trouble = verdict.trouble
    assert trouble is not None
    if "bad_steps" not in session.record.tables:
        session.record.add(BAD_STEPS)
    row = {
        "step": batch.step,
        "epoch": batch.epoch,
        "tries": verdict.tries,
        "action": verdict.action,
        **asdict(trouble),
    }
    session.record["bad_steps"].append(row)
    message = f"step {batch.step}: {trouble}"
    if verdict.action != "stopped":
        session.event("warning", f"{message}; {verdict.action}")
        progress.warned(f"{message}; {verdict.action}")
        return
    session.event("diverged", message)
    session.status("diverged")
    if not session.world.any(not session.guard.backup.is_finite()):
        session.save()
    else:
        session.publish_record()
    raise NegativeResult(
        message,
        help=f"{trouble.help}; the state before the step is in {session.directory.checkpoints}",
    )


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


def _diagnose(session: Session, batch: Batch, weight: float) -> dict[str, Any]:
    """This step's gradient against the implicit one, under the same random numbers."""
    if "gradients" not in session.record.tables:
        labels = session.job.network.labels()
        names = [labels[name] for name in measures.trainable(session.job.network)]
        session.record.add(GRADIENTS, {"parameter": names})
    torch.manual_seed(batch.seed)
    return measures.gradient_row(session.job.network, batch.x, batch.y, session.world, weight)


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
    session.position = replace(session.position, epoch=epoch, step_in_epoch=0, skipped=0)
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


def _score(result: Evaluation) -> float:
    """More is better: the accuracy, or the loss where there is none."""
    return -result.loss if math.isnan(result.top1) else result.top1


def describe(result: Evaluation) -> str:
    """An evaluation in one line."""
    if math.isnan(result.top1):
        return f"test loss {result.loss:.4f}"
    return f"test accuracy {result.top1:.2%}, test loss {result.loss:.4f}"
