"""What the benchmark of precisions compares, on a network small enough for a test."""

from __future__ import annotations

import pytest
import torch

from benchmarks.precision import lowered, study, whole_states
from ffebm_dsl.build import build
from ffebm_dsl.physics.energy import Precision
from ffebm_dsl.physics.energy.precision import Lowered
from tests.benchmarks.test_steps import SPEC_IR


def test_every_way_is_judged_on_the_same_network() -> None:
    network = build(SPEC_IR)
    (core,) = [block.core for block in network.blocks]
    before = core.free, core.nudged
    x, y = torch.rand(3, 1, 8, 8), torch.tensor([0, 1, 2])
    found = dict(study(network, x, y))
    assert (core.free, core.nudged) == before
    assert found["full"].relative_error < 1e-3
    whole = found["bf16(finish=1), nudged, whole states"].relative_error
    assert found["full"].relative_error < whole
    assert found["bf16(finish=1), nudged"].relative_error < whole


def test_what_is_changed_is_put_back() -> None:
    network, increment = build(SPEC_IR), Lowered._increment
    (core,) = [block.core for block in network.blocks]
    before = core.free, core.nudged
    with pytest.raises(KeyError), whole_states():
        assert Lowered._increment is not increment
        raise KeyError
    assert Lowered._increment is increment
    with lowered(network, ("free",), Precision.TF32, 3):
        assert (core.free.precision, core.free.finish) == (Precision.TF32, 3)
        assert core.nudged == before[1]
    assert (core.free, core.nudged) == before
