"""Gradients sweep by sweep, compared with the converged estimators and with each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.physics.energy import HopfieldEnergy
from ffebm_dsl.physics.gradients import LinearCost, ep_transients, unrolled_transients
from ffebm_dsl.physics.gradients.state_cost import cotangents_by_layer
from ffebm_dsl.physics.interfaces import Activation, Cost, Equilibrium, GradientEstimate
from ffebm_dsl.physics.relaxation import relax
from tests.problems import (
    block,
    convolutional_energy,
    max_pooled_energy,
    normal,
    settings,
    weights_of,
)

SWEEPS = 7
WEIGHTS = torch.full((2,), 0.5, dtype=torch.float64)


def problem(
    make: Callable[[Activation], HopfieldEnergy] = convolutional_energy,
    activation: Activation | None = None,
    free_sweeps: int = 400,
    damping: float = 0.0,
    freeze_after: int = -1,
) -> tuple[Equilibrium, Cost]:
    """A block at the end of its free phase, and a cotangent on its last layer."""
    core = block(make(activation or Tanh()))
    free = settings(core.energy, damping=damping, freeze_after=freeze_after)
    free = replace(free, sweeps=free_sweeps)
    back = replace(free.solver.plain, schedule=free.schedule[::-1])
    nudged = replace(free, solver=back, sweeps=SWEEPS, tolerance=0)
    core.configure(free=free, nudged=nudged)
    drives = (normal(2, 2, 6, 6, seed=3),)
    solution, routings = core.solve(*drives)
    state = tuple(solution.state)
    bound = core.energy.bind(drives, weights_of(core.energy))
    equilibrium = Equilibrium(bound, state, free, nudged, lambda bound: state, routings)
    return equilibrium, LinearCost({len(state) - 1: normal(*state[-1].shape, seed=4)})


def flat(estimate: GradientEstimate) -> Tensor:
    tensors = [*estimate.weights.values(), *estimate.drives]
    return torch.cat([tensor.flatten() for tensor in tensors]).clone()


def error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def ep_series(
    equilibrium: Equilibrium, cost: Cost, beta: float, sweeps: int = SWEEPS
) -> list[Tensor]:
    ep = EquilibriumPropagation(beta)
    return [flat(n.estimate) for n in ep_transients(ep, equilibrium, cost, WEIGHTS, sweeps)]


def unrolled_series(equilibrium: Equilibrium, cost: Cost, sweeps: int = SWEEPS) -> list[Tensor]:
    return [flat(e) for e in unrolled_transients(equilibrium, cost, WEIGHTS, sweeps)]


def worst(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    return max(error(a, b) for a, b in zip(found[1:], expected[1:], strict=True))


@pytest.mark.parametrize("variant", ["centered", "positive", "negative"])
def test_ep_after_every_sweep_is_the_estimator_with_so_many_sweeps(variant: str) -> None:
    equilibrium, cost = problem(free_sweeps=4)
    ep = EquilibriumPropagation(0.1, variant)
    for t, nudged in enumerate(ep_transients(ep, equilibrium, cost, WEIGHTS, SWEEPS)):
        short = replace(equilibrium, nudged=replace(equilibrium.nudged, sweeps=t))
        expected = ep.estimate(short, cost, WEIGHTS)
        assert torch.equal(flat(nudged.estimate), flat(expected))
        assert nudged.states[0].shape[0] == (4 if variant == "centered" else 2)


@pytest.mark.parametrize("make", [convolutional_energy, max_pooled_energy])
@pytest.mark.parametrize("free_sweeps", [3, 400])
def test_all_sweeps_back_are_the_unrolled_estimator(
    make: Callable[[Activation], HopfieldEnergy], free_sweeps: int
) -> None:
    """Also far from a fixed point: then the sweeps differ, and so does what each contributes."""
    equilibrium, cost = problem(make, HardSigmoid(0.5), free_sweeps)
    found = unrolled_series(equilibrium, cost)[-1]
    assert error(found, flat(Unrolled(SWEEPS).estimate(equilibrium, cost, WEIGHTS))) < 1e-12


def test_truncation_is_autodiff_through_the_last_sweeps_alone() -> None:
    """The graph begins t sweeps before the end, with the rest of the sweeps done without one."""
    equilibrium, cost = problem(free_sweeps=3)
    for t, found in enumerate(unrolled_series(equilibrium, cost)):
        done = replace(equilibrium.free, sweeps=SWEEPS - t, tolerance=0.0)
        ended = relax(equilibrium.bound.dynamics(), equilibrium.state, done)
        later = replace(equilibrium, state=tuple(ended.state))
        expected = flat(Unrolled(t).estimate(later, cost, WEIGHTS))
        assert float((found - expected).norm()) <= 1e-12 * (1 + float(expected.norm()))


@pytest.mark.parametrize("damping", [0.0, 0.3])
@pytest.mark.parametrize("make", [convolutional_energy, max_pooled_energy])
def test_ep_descends_as_autodiff_does(
    make: Callable[[Activation], HopfieldEnergy], damping: float
) -> None:
    """At a fixed point, for every t: the difference is EP's bias, and falls as beta squared."""
    equilibrium, cost = problem(make, damping=damping, freeze_after=20)
    unrolled = unrolled_series(equilibrium, cost)
    assert float(unrolled[0].norm()) == 0 and float(unrolled[1].norm()) > 0
    coarse, fine = (worst(ep_series(equilibrium, cost, beta), unrolled) for beta in (1e-2, 1e-3))
    assert fine < 1e-5
    assert coarse / fine == pytest.approx(100, rel=0.2)


def test_at_a_fixed_point_it_is_the_adjoint_relaxation_cut_short() -> None:
    equilibrium, cost = problem()
    bound, state = equilibrium.bound, equilibrium.state
    cotangent = cotangents_by_layer(cost, state, torch.ones_like(WEIGHTS))
    dynamics = bound.adjoint(state, cotangent, {})
    for t, found in enumerate(unrolled_series(equilibrium, cost)):
        steps = replace(equilibrium.nudged, sweeps=t)
        with torch.no_grad():
            w = relax(dynamics, [torch.zeros_like(s) for s in state], steps).state
        parameters = bound.response_gradient(state, w, WEIGHTS, {}).weights.values()
        expected = torch.cat([g.flatten() for g in (*parameters, w[0] * 0.5)])
        assert float((found - expected).norm()) <= 1e-9 * (1 + float(expected.norm()))


def test_an_order_that_is_not_reversed_is_seen() -> None:
    equilibrium, cost = problem()
    same = replace(equilibrium.nudged, solver=equilibrium.free.solver)
    found = ep_series(replace(equilibrium, nudged=same), cost, 1e-3)
    assert worst(found, unrolled_series(equilibrium, cost)) > 1e-2


def test_a_state_that_is_no_fixed_point_is_seen() -> None:
    equilibrium, cost = problem(free_sweeps=1)
    found = ep_series(equilibrium, cost, 1e-3)
    assert worst(found, unrolled_series(equilibrium, cost)) > 1e-3


def test_routing_is_frozen_in_the_nudged_phase_where_its_settings_say_so() -> None:
    equilibrium, cost = problem(max_pooled_energy, free_sweeps=2)
    nudged = replace(equilibrium.nudged, freeze_after=2)
    frozen = replace(equilibrium, nudged=nudged)
    ep = EquilibriumPropagation(5.0)
    found = [flat(n.estimate) for n in ep_transients(ep, frozen, cost, WEIGHTS, SWEEPS)]
    free = [flat(n.estimate) for n in ep_transients(ep, equilibrium, cost, WEIGHTS, SWEEPS)]
    assert torch.equal(found[2], free[2]) and not torch.equal(found[-1], free[-1])
    assert torch.equal(found[-1], flat(ep.estimate(frozen, cost, WEIGHTS)))


def test_no_graph_is_kept_between_sweeps() -> None:
    equilibrium, cost = problem()
    for estimate in unrolled_transients(equilibrium, cost, WEIGHTS, SWEEPS):
        assert not any(g.requires_grad for g in [*estimate.weights.values(), *estimate.drives])
