"""Relaxations damped for a while keep what they were otherwise."""

from __future__ import annotations

from pathlib import Path

from ffebm_dsl.physics.gradients import Implicit
from ffebm_dsl.physics.relaxation import Relaxation
from ffebm_dsl.running.training.locate import adjusted

from .runs import new_session


def test_a_damped_relaxation_makes_more_sweeps_of_every_kind(tmp_path: Path) -> None:
    network = new_session(tmp_path).job.network
    core = next(network.blocks).core
    before = Relaxation(10, 1e-3, ((0,),), routing_after=3)
    core.free, core.nudged, core.estimator = before, before, Implicit(1e-6, 5)
    with adjusted(network, 0.25, keep_states=True):
        assert core.free == core.nudged
        assert (core.free.sweeps, core.free.routing_after) == (40, 12)
        assert (core.free.damping, core.free.tolerance) == (0.75, 0.25e-3)
        assert core.estimator == Implicit(0.25e-6, 20)
        assert core.keep_states
    assert (core.free, core.nudged, core.estimator) == (before, before, Implicit(1e-6, 5))
    assert not core.keep_states
    with adjusted(network):
        assert (core.free, core.estimator) == (before, Implicit(1e-6, 5))
