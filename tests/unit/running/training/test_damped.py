"""Damped relaxations have the same fixed points and length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.physics.interfaces import PhaseSettings, Sweeps
from ffebm_dsl.running.training.locate import damped_settings

from .runs import new_session


def test_a_damped_relaxation_makes_more_sweeps_of_every_kind(tmp_path: Path) -> None:
    network = new_session(tmp_path).job.network
    core, name = network.blocks[0].core, network.blocks[0].name
    before = PhaseSettings(10, 1e-3, Sweeps(((0,),)), freeze_after=3)
    core.configure(free=before, nudged=before, estimator=Implicit(1e-6, 5))
    damped = damped_settings(network, 0.25)[name]
    assert damped.free == damped.nudged
    assert (damped.free.sweeps, damped.free.freeze_after) == (40, 12)
    assert (damped.free.solver, damped.free.tolerance) == (Sweeps(((0,),), 0.75), 0.25e-3)
    assert damped.estimator == Implicit(0.25e-6, 20)
    assert core.settings == replace(core.settings, free=before)
    assert damped_settings(network, 1.0) is None
