"""The sweep that is compiled is the engine's; what is told apart is apart."""

from __future__ import annotations

import torch

from benchmarks.compiled import Sweep, _apart, drives_of, over_engine, repeated
from ffebm_dsl.build import build
from ffebm_dsl.physics.relaxation import relax
from tests.benchmarks.test_steps import SPEC_IR
from tests.problems import dynamics_of, zero_state


@torch.no_grad()
def test_the_modules_sweep_as_the_engine_does() -> None:
    network, x = build(SPEC_IR), torch.rand(3, 1, 8, 8)
    (drives,) = drives_of(network, x)
    (block,) = network.blocks
    energy, plan = block.core.energy, block.core.settings.free
    start = [torch.rand_like(s) for s in zero_state(energy, 3, x)]
    expected = relax(dynamics_of(energy, drives), start, plan).state
    sweep = Sweep(energy, plan.schedule)
    assert _apart(repeated(sweep, start, drives, plan.sweeps), expected) < 1e-5
    assert _apart(repeated(sweep, start, drives, 1), expected) > 1e-3


def test_ratios_are_taken_repeat_by_repeat() -> None:
    times = {"engine": [1.0, 10.0, 2.0], "compiled": [2.0, 30.0, 3.0]}
    assert over_engine(times) == {"compiled": 2.0}
