"""Relaxations damped for a while keep what they were otherwise."""

from __future__ import annotations

from ffebm_dsl.physics.gradients import Implicit
from ffebm_dsl.physics.relaxation import Relaxation
from ffebm_dsl.running.training.bad_steps.retune import Tuning, damped


def test_a_damped_relaxation_makes_more_sweeps_of_every_kind() -> None:
    before = Relaxation(10, 1e-3, ((0,),), routing_after=3)
    free, nudged, estimator = damped(0.25)(Tuning(before, before, Implicit(1e-6, 5)))
    assert free == nudged
    assert (free.sweeps, free.routing_after) == (40, 12)
    assert (free.damping, free.tolerance) == (0.75, 0.25e-3)
    assert estimator == Implicit(0.25e-6, 20)


def test_a_part_of_one_changes_nothing() -> None:
    tuning = Tuning(Relaxation(3, 0.0, ((0,),)), Relaxation(2, 0.0, ((0,),)), Implicit())
    assert damped(1)(tuning) == tuning
