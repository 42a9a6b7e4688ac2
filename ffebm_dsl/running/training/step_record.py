"""The rows that a training step adds to the record of its run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ffebm_dsl.language.ir.tools.notation import written_term
from ffebm_dsl.physics.network import EnergyBlock
from ffebm_dsl.physics.relaxation import CYCLE_SIZE
from ffebm_dsl.running.records import GRADIENTS, LOSSES, RELAXATION, STATUSES
from ffebm_dsl.running.training import measures
from ffebm_dsl.running.training.environment import seed_generators
from ffebm_dsl.running.training.measures import Batch, StepNumbers
from ffebm_dsl.running.training.progress import Row
from ffebm_dsl.running.training.session import Session

DIAGNOSTICS = 0.01
"""Fraction of a run's sweeps for gradient diagnosis, if ffebm chooses the steps."""

CYCLING = "most samples of"
"""How the note of cycles begins."""

NO_REFERENCE = "a gradient diagnostic has no reference:"
"""How the note of implicit gradients that diverge begins."""


def record_step(session: Session, samples: int, rate: float, numbers: StepNumbers) -> Row:
    """Record the step after the session's position, taken or not; return its row."""
    step = session.position.step + 1
    row: Row = {
        "step": step,
        "epoch": session.position.epoch + 1,
        "batch_size": samples,
        "loss": numbers.loss,
        "accuracy": numbers.hits / samples,
        "learning_rate": rate,
        "gradient_norm": numbers.gradient_norm,
        "free_sweeps": numbers.free_sweeps,
        "wall_time": session.seconds(),
    }
    session.record["train"].append(row)
    _record_losses(session, step, numbers)
    return row


def _record_losses(session: Session, step: int, numbers: StepNumbers) -> None:
    """Record the terms of a loss with several; a single one is in the row of its step."""
    model = session.job.spec.model
    if len(model.losses) == 1:
        return
    names = [written_term(term, term.readout, model.target.name) for term in model.losses]
    weights = [term.weight for term in model.losses]
    table = session.table(LOSSES, {"term": names, "weight": weights})
    table.append({"step": step, "loss": numbers.terms})


def record_relaxations(session: Session, numbers: StepNumbers) -> None:
    """Record the relaxations of the next step, and once per run that most samples cycle, if so."""
    blocks, phases = zip(*numbers.solves, strict=True)
    names = [f"{block}.{phase}" for block, phase in numbers.solves]
    table = session.table(RELAXATION, {"solve": names, "block": blocks, "phase": phases})
    table.append({"step": session.position.step + 1, **numbers.relaxations})
    _note_cycling(session, numbers)


def _note_cycling(session: Session, numbers: StepNumbers) -> None:
    """Note once per run that most samples of a phase end in a cycle, beyond rounding."""
    rows = numbers.relaxations
    if not rows["cycling"].any():
        return
    ended = np.sum([rows[status] for status in STATUSES], axis=0)
    cycling = (rows["cycling"] > ended / 2) & (rows["residual_median"] > CYCLE_SIZE)
    if cycling.any():
        block, phase = numbers.solves[int(cycling.argmax())]
        rest = (
            f"the {phase} phase of block {block} end in a cycle: max poolings go to "
            "and fro between their choices, or the sweeps overshoot; training goes on, and "
            "run/relaxation holds their number at every step"
        )
        _note_once(session, CYCLING, rest)


def _note_once(session: Session, begin: str, rest: str) -> None:
    """Note ``begin rest`` unless the run has a note that begins so."""
    if not any(message.startswith(begin) for message in session.record["events"]["message"]):
        session.tell("note", f"{begin} {rest}")


def diagnostic_is_due(session: Session, step: int) -> bool:
    every = session.job.plan.diagnose_every
    if every == "auto":
        return step >= session.position.diagnose_at and measures.has_reference(session.job.network)
    return int(every) > 0 and step % int(every) == 0


def diagnose(session: Session, step: int, batch: Batch) -> int:
    """Compare this step's gradient with the implicit one, with the same random numbers; record it.

    Returns the number of steps until the next diagnosis that keeps the cost of all of them below
    ``DIAGNOSTICS`` of the sweeps.
    """
    network, world = session.job.network, session.world
    sweeps = measures.sweeps(network.phases())
    labels = network.labels()
    names = [labels[name] for name in measures.trainable(network)]
    seed_generators(batch.seed, batch.y.device)
    row = measures.gradient_row(network, batch.inputs, batch.y, world, batch.weight)
    session.table(GRADIENTS, {"parameter": names}).append({"step": step, **row})
    if row["diverged"]:
        _note_once(session, NO_REFERENCE, _no_reference(step, row["diverged"]))
    # Where every layer is computed once, the step made no sweeps.
    cost = measures.sweeps(network.phases()) / max(sweeps, 1.0)
    return world.all_reduce_max(math.ceil(cost / DIAGNOSTICS))


def _no_reference(step: int, diverged: int) -> str:
    return (
        f"at step {step} the implicit gradient diverges for {diverged} samples, whose free phases "
        "did not end at a stable equilibrium; a smaller tolerance and more sweeps in `relax free` "
        "may help; run/gradients holds their number at every diagnostic"
    )


def tell_strengths(session: Session, cores: Sequence[EnergyBlock]) -> None:
    """Report the force that ``beta = auto`` found in an epoch's first step; the lead's is used."""
    session.world.broadcast_buffers(session.job.network)
    for core in cores:
        if core.reach is not None:
            message = f"block {core.name}: nudged with a force of up to {float(core.reach):.3g}"
            session.event("note", message)
            session.progress.say(message)
