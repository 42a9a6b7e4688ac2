"""The solver of the extension: fewer sweeps to the same fixed point."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.physics.interfaces import Relaxation, Status
from ffebm_dsl.physics.relaxation import carried, relax
from ffebm_example.constructs.solvers.momentum import Momentum
from tests.problems import chain_energy, normal, relaxed, settings
from tests.unit.physics.relaxation.test_relax import ONE_LAYER, Affine


def linear_map(rate: float) -> Affine:
    return Affine(torch.tensor([rate], dtype=torch.float64))


def sweeps_to_rest(solver: object, rate: float) -> Tensor:
    start = [torch.zeros(1, 1, dtype=torch.float64)]
    solution = relax(linear_map(rate), start, Relaxation(2000, 1e-10, solver))  # type: ignore
    assert solution.status.tolist() == [Status.CONVERGED]
    assert torch.allclose(solution.state[0], torch.tensor(1 / (1 - rate)).double(), rtol=1e-7)
    return solution.sweeps


@pytest.mark.parametrize("activation", [Tanh(0.5), HardSigmoid(0.5)])
@pytest.mark.parametrize("weight", [0.2, 0.5, 0.95])
def test_it_rests_where_plain_sweeps_do(activation: Tanh | HardSigmoid, weight: float) -> None:
    energy, drives = chain_energy([5, 6, 4, 3], activation), [normal(6, 5)]
    plan = settings(energy, 2000, 1e-12)
    layers = carried(plan.schedule, [(0, 1), (1, 2), (2, 3)])
    ahead = replace(plan, solver=Momentum(weight, layers, plan.solver))
    plain, fast = (relaxed(energy, drives, p)[0] for p in (plan, ahead))
    assert (fast.status == Status.CONVERGED).all() and (plain.status == Status.CONVERGED).all()
    for s, reference in zip(fast.state, plain.state, strict=True):
        assert torch.allclose(s, reference, atol=1e-9)


def test_a_slow_map_takes_fewer_sweeps() -> None:
    plain, fast = (sweeps_to_rest(s, 0.95) for s in (ONE_LAYER, Momentum(0.6, (0,), ONE_LAYER)))
    assert 2 * fast < plain


def test_a_map_that_swings_comes_to_rest_all_the_same() -> None:
    """Plain sweeps swing to the fixed point; momentum would swing away from it."""
    assert sweeps_to_rest(Momentum(0.9, (0,), ONE_LAYER), -0.9) < 2000
