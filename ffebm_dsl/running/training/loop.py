"""The training loop."""

from __future__ import annotations

import signal
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import NegativeResult, Stopped
from ffebm_dsl.physics.network.whole_batch import share
from ffebm_dsl.running.records import BAD_STEPS
from ffebm_dsl.running.training import keyed, measures
from ffebm_dsl.running.training.checkpoint import Best
from ffebm_dsl.running.training.environment import seed_generators
from ffebm_dsl.running.training.evaluation import Evaluation
from ffebm_dsl.running.training.judge import StepJudge
from ffebm_dsl.running.training.judged import (
    describe,
    evaluate_finished,
    evaluate_session,
    record_amplification,
    record_evaluation,
    renew_statistics,
    score_of,
)
from ffebm_dsl.running.training.locate import damped_settings
from ffebm_dsl.running.training.measures import Batch
from ffebm_dsl.running.training.optimizers import learning_rate, set_learning_rate, warmup
from ffebm_dsl.running.training.progress import Progress
from ffebm_dsl.running.training.session import Session
from ffebm_dsl.running.training.signals import StopRequest
from ffebm_dsl.running.training.step_record import (
    diagnose,
    diagnostic_is_due,
    record_relaxations,
    record_step,
    tell_strengths,
)
from ffebm_dsl.running.training.trouble import Trouble

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Controls:
    """What may end a run early, and where its progress is shown.

    ``max_steps`` counts the steps of the run from its beginning, including earlier sessions; -1: no
    limit.
    """

    stop: StopRequest
    progress: Progress
    max_steps: int = -1

    def enough(self, step: int) -> bool:
        return 0 <= self.max_steps <= step


def train(session: Session, controls: Controls) -> Evaluation:
    """Train to the end of the schedule, or to ``max_steps``; return the final evaluation.

    At the end of the schedule it is that of the weights that the run is used with
    (:func:`ffebm_dsl.running.training.checkpoint.preferred`), before it of the last ones.

    Raises:
        NegativeResult: a step was bad, and the policy of the spec is, or after its retries becomes,
            ``stop``. The record contains the step.
        Stopped: a signal requested the end. The run is saved after its current step.
        StorageError: a record or checkpoint could not be written.
    """
    last: Evaluation | None = None
    job, world = session.job, session.world
    session.parallel, session.progress = world.parallel(job.network, job.device), controls.progress
    judge = StepJudge(job.network, job.plan.on_bad_step, job.initial_sizes, world)
    cuda = [job.device] if job.device.type == "cuda" else []
    with session.lock, torch.random.fork_rng(cuda):
        try:
            while not _is_done(session):
                if _asked(session, controls) or not _train_epoch(session, judge, controls):
                    return _halt(session, judge, controls)
                ended, last = _end_epoch(session, judge, controls)
                if not ended:
                    return _halt(session, judge, controls)
            return _finish(session, last)
        finally:
            session.progress.close()


def _is_done(session: Session) -> bool:
    """Whether all epochs are done, or early stopping applies."""
    plan = session.job.plan
    waited = plan.patience > 0 and session.best.waited >= plan.patience
    return waited or session.position.epoch >= plan.epochs


def _asked(session: Session, controls: Controls) -> bool:
    """Whether a signal has requested the end in any process; all of them get the same answer."""
    number = session.world.all_reduce_max(controls.stop.signal_number)
    if number:
        controls.stop.signal_number = number
    return number != 0


def _train_epoch(session: Session, judge: StepJudge, controls: Controls) -> bool:
    """Train the remaining steps of an epoch; False if the end was requested before or after one."""
    plan, position = session.job.plan, session.position
    base, batches = float(plan.optimizer.arguments["lr"]), session.batches()
    left = (plan.epochs - position.epoch) * len(batches) - position.step_in_epoch
    if controls.max_steps >= 0:
        left = min(left, controls.max_steps - position.step)
    session.progress.start_epoch(
        position.epoch + 1, plan.epochs, len(batches), position.step_in_epoch, left
    )
    session.job.network.train()
    measuring = [block.core for block in session.job.network.blocks if block.core.reach is not None]
    if position.step_in_epoch == 0:
        for core in measuring:
            core.measure_anew()
    for indices in batches[position.step_in_epoch :]:
        if controls.enough(session.position.step):
            return False
        part = session.position.step_in_epoch / len(batches)
        rate = learning_rate(plan.schedule, base, position.epoch, plan.epochs, part)
        rate *= warmup(plan.warmup, position.epoch + part + 1 / len(batches))
        set_learning_rate(session.job.optimizer, rate)
        _train_step(session, judge, indices, rate)
        if measuring and session.position.step_in_epoch == 1:
            tell_strengths(session, measuring)
        if _asked(session, controls):
            return False
        if session.save_is_due():
            _save(session, judge)
    return True


def _train_step(session: Session, judge: StepJudge, indices: Indices, rate: float) -> None:
    """One step: data, gradient, judgement, and, unless it is bad, the optimiser's update."""
    job, world, position = session.job, session.world, session.position
    network, optimizer, step = job.network, job.optimizer, position.step + 1
    batch = _batch(session, indices)
    if world.size > 1:
        share(network, batch.part)
    judge.keep_buffers()
    first: Trouble | None = None
    for tried in range(judge.tries):
        seed_generators(batch.seed, job.device)
        for weight in judge.weights:
            weight.grad = None
        settings = damped_settings(network, judge.damping(tried))
        outcome = session.parallel(*batch.inputs, batch.y, settings=settings)
        # Scaled so that the mean of the losses over processes is the mean over samples.
        torch.autograd.backward(outcome.loss * (batch.weight * world.size))
        gradients = [weight.grad for weight in judge.weights if weight.grad is not None]
        numbers = measures.read_step(
            network.phases(), outcome, batch, gradients, judge.watched, judge.is_wrong, world
        )
        trouble = judge.trouble(batch, numbers)
        first = first or trouble
        if trouble is None or trouble.lasting:
            break
    skip = trouble is not None and judge.may_skip(trouble, position.skipped)
    if trouble is None:
        if diagnostic_is_due(session, step):
            position = replace(position, diagnose_at=step + diagnose(session, step, batch))
        if job.plan.clip_norm:
            parameters = measures.trainable(network).values()
            norm = gradients[0].new_tensor(numbers.gradient_norm)
            torch.nn.utils.clip_grads_with_norm_(parameters, job.plan.clip_norm, norm)
        optimizer.step()
        record_relaxations(session, numbers)
    row = record_step(session, len(indices), rate, numbers)
    if first is not None:
        action = "damped" if trouble is None else "skipped" if skip else "stopped"
        _answer(session, judge, first, tried + 1, action)
    session.position = replace(
        position,
        step=step,
        step_in_epoch=position.step_in_epoch + 1,
        skipped=position.skipped + skip,
    )
    session.progress.step(row)


def _batch(session: Session, indices: Indices) -> Batch:
    """The part of a batch that belongs to this process, augmented."""
    seed, position = session.job.plan.seed, session.position
    part = session.world.part(len(indices))
    # A process without a sample of its own computes one with weight zero.
    own = indices[part.first : part.first + part.count] if part.count else indices[:1]
    inputs, y = session.job.data.train.augmented(own, seed=seed, epoch=position.epoch)
    return Batch(keyed.step_seed(seed, position.step + 1), own, inputs, y, part)


def _answer(session: Session, judge: StepJudge, trouble: Trouble, tries: int, action: str) -> None:
    """Record a bad step and the response to it.

    Raises:
        NegativeResult: the run ends here, in the state before the step.
    """
    step, epoch = session.position.step + 1, session.position.epoch + 1
    row = {"step": step, "epoch": epoch, "tries": tries, "action": action, **asdict(trouble)}
    session.table(BAD_STEPS).append(row)
    message = f"step {step}: {trouble}"
    if action != "stopped":
        session.tell("warning", f"{message}; {action}")
        return
    session.event("diverged", message)
    session.status("diverged")
    state = "the state before the step"
    if trouble.of_weights or judge.weights_trouble():
        state = "the last state that was saved"
        session.publish_record()
    else:
        session.save()
    raise NegativeResult(
        message, help=f"{trouble.help}; {state} is in {session.directory.checkpoints}"
    )


def _save(session: Session, judge: StepJudge) -> None:
    """Save the run, unless the last step left bad weights.

    Raises:
        NegativeResult: it did; the earlier checkpoints are unchanged.
    """
    trouble = judge.weights_trouble()
    if trouble is not None:
        _answer(session, judge, trouble, 1, "stopped")
    session.save()


def _end_epoch(
    session: Session, judge: StepJudge, controls: Controls
) -> tuple[bool, Evaluation | None]:
    """Evaluate and save as scheduled; False if the end was requested meanwhile."""
    plan, epoch = session.job.plan, session.position.epoch + 1
    result: Evaluation | None = None
    better = False
    renew_statistics(session, partial(_asked, session, controls))
    if epoch == plan.epochs or epoch % plan.eval_every == 0:
        result = evaluate_session(session, partial(_asked, session, controls))
        if result is None:
            return False, None
        row = record_evaluation(session, epoch, result)
        session.position = replace(session.position, evaluated=session.position.step)
        text = f"epoch {epoch}/{plan.epochs}: {describe(result)}"
        session.progress.evaluated(text, result.on, row)
        better = score_of(result) > session.best.score
        waited = replace(session.best, waited=session.best.waited + 1)
        session.best = Best(session.position.step, score_of(result)) if better else waited
    session.position = replace(session.position, epoch=epoch, step_in_epoch=0, skipped=0)
    if plan.diagnose_every != 0 and (epoch.bit_count() == 1 or _is_done(session)):
        record_amplification(session)
    if better or _is_done(session) or epoch % plan.checkpoint_every == 0:
        _save(session, judge)
    return True, result


def _halt(session: Session, judge: StepJudge, controls: Controls) -> Evaluation:
    """Save a run that ends before its schedule."""
    number = controls.stop.signal_number if _asked(session, controls) else 0
    if number:
        session.event("signal", signal.Signals(number).name)
    elif session.position.evaluated != session.position.step:
        renew_statistics(session)
    session.status("stopped")
    _save(session, judge)
    if number:
        raise Stopped(
            number,
            f"{signal.Signals(number).name} ended the run after step {session.position.step}; "
            "it is saved",
            help=f"continue with: ffebm train --resume {session.directory.path}",
        )
    result = evaluate_session(session)
    assert result is not None
    if session.position.evaluated != session.position.step:
        # Not scheduled: it is recorded after the checkpoint, so that a resumed run drops it.
        record_evaluation(session, session.position.epoch + 1, result)
        session.publish_record()
    return result


def _finish(session: Session, last: Evaluation | None) -> Evaluation:
    """The final evaluation of a completed run, of the weights that it is used with.

    The record gets its final status only here, after the last checkpoint is durable.
    """
    epoch, plan = session.position.epoch, session.job.plan
    early = f"no better evaluation in {plan.patience}: training ends with epoch {epoch}"
    session.event("finish", "all epochs are done" if epoch == plan.epochs else early)
    result = evaluate_finished(session, last)
    session.status("finished")
    session.publish_record()
    return result
