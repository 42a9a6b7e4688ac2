"""Over-relaxation: fewer sweeps to the same fixed point, down the energy, and safe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as drawing
from hypothesis import strategies as st
from torch import Tensor

from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.identity import Identity
from ffebm_dsl.constructs.activations.relu import Relu
from ffebm_dsl.constructs.activations.sigmoid import Sigmoid
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.physics.energy import HopfieldEnergy
from ffebm_dsl.physics.energy.dynamics import HopfieldDynamics
from ffebm_dsl.physics.interfaces import (
    Activation,
    PhaseSettings,
    Relaxation,
    Solution,
    State,
    Status,
)
from ffebm_dsl.physics.layout import squared_norm
from ffebm_dsl.physics.relaxation import ORDERS, OverRelaxation, relax
from tests.problems import (
    accelerated,
    chain_energy,
    convolutional_energy,
    dynamics_of,
    max_pooled_energy,
    normal,
    over_relaxed,
    relaxed,
    settings,
    zero_state,
)
from tests.unit.physics.relaxation.test_relax import ONE_LAYER, Affine

ACTIVATIONS = [Identity(0.4), Relu(0.4), HardSigmoid(0.5), Tanh(0.5), Sigmoid(0.5)]


def solve(energy: HopfieldEnergy, drives: list[Tensor], plan: PhaseSettings) -> Solution:
    return relaxed(energy, drives, plan)[0]


@pytest.mark.parametrize("omega", [1.05, 1.3, 1.8])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: type(a).__name__)
def test_the_same_fixed_point(activation: Activation, omega: float) -> None:
    energy, drives = chain_energy([5, 6, 4, 3], activation), [normal(6, 5)]
    plan = settings(energy, 2000, 1e-12)
    plain = solve(energy, drives, plan)
    fast = solve(energy, drives, over_relaxed(plan, omega))
    assert (fast.status == Status.CONVERGED).all()
    for s, reference in zip(fast.state, plain.state, strict=True):
        assert torch.allclose(s, reference, rtol=0, atol=1e-10)


@drawing(deadline=None, max_examples=25)
@given(
    omega=st.floats(1.0, 1.95),
    memory=st.integers(0, 4),
    activation=st.sampled_from(ACTIVATIONS),
    order=st.sampled_from(ORDERS),
    seed=st.integers(0, 99),
)
def test_an_accelerated_phase_ends_at_a_fixed_point(
    omega: float, memory: int, activation: Activation, order: str, seed: int
) -> None:
    energy, drives = chain_energy([5, 6, 4, 3], activation), [normal(3, 5, seed=seed)]
    # Synchronous sweeps stretched across kinks come to rest late: up to 40,063 were seen.
    plan = settings(energy, 100_000, 1e-10, order=order)
    plan = over_relaxed(plan, omega) if omega > 1 else plan
    plan = accelerated(plan, memory, range(len(energy.layers))) if memory else plan
    found = solve(energy, drives, plan)
    assert (found.status == Status.CONVERGED).all()
    dynamics = dynamics_of(energy, drives)
    for i, s in enumerate(found.state):
        assert torch.allclose(dynamics.update(found.state, i), s, rtol=0, atol=1e-7)


def test_lateral_couplings_and_images_too() -> None:
    energy, drives = convolutional_energy(), [normal(4, 2, 6, 6)]
    plan = settings(energy, 500, 1e-12)
    plain = solve(energy, drives, plan)
    fast = solve(energy, drives, over_relaxed(plan, 1.2))
    assert (fast.status == Status.CONVERGED).all()
    for s, reference in zip(fast.state, plain.state, strict=True):
        assert torch.allclose(s, reference, rtol=0, atol=1e-10)


@pytest.mark.parametrize("omega", [1.05, 1.3, 1.5])
def test_a_slow_block_needs_less_than_half_the_sweeps(omega: float) -> None:
    """Whatever was asked for: from the observed rate a slow sample is over-relaxed by more."""
    energy, drives = chain_energy([5, 6, 4, 3], Identity()), [normal(6, 5)]
    # A contraction of 0.9 a sweep: the largest eigenvalue of the couplings is its root.
    matrix = _coupled(energy)
    for parameter in energy.parameters():
        parameter.data *= 0.9**0.5 / torch.linalg.eigvalsh(matrix).max()
    plan = settings(energy, 1000, 1e-8)
    plain = solve(energy, drives, plan)
    fast = solve(energy, drives, over_relaxed(plan, omega))
    assert (fast.status == Status.CONVERGED).all()
    assert 2 * fast.sweeps.sum() < plain.sweeps.sum()


def _coupled(energy: HopfieldEnergy) -> Tensor:
    state = [torch.zeros(1, *layer.shape, dtype=torch.float64) for layer in energy.layers]
    drives = [torch.zeros(1, 5, dtype=torch.float64)]

    def phi(flat: Tensor) -> Tensor:
        return energy.phi([s[None] for s in flat.split([s.numel() for s in state])], drives).sum()

    count = sum(s.numel() for s in state)
    hessian = torch.autograd.functional.hessian(phi, torch.zeros(count, dtype=torch.float64))
    assert isinstance(hessian, Tensor)
    return hessian


@pytest.mark.parametrize("omega", [1.3, 1.9])
def test_the_energy_falls(omega: float) -> None:
    """For clipped quadratic layers every omega below 2 goes down, group by group."""
    energy, drives = chain_energy([5, 6, 4, 3], HardSigmoid()), [normal(6, 5)]
    for parameter in energy.parameters():
        parameter.data *= 3
    seen: list[Tensor] = []

    class Watched(HopfieldDynamics):
        def update(self, state: State, layer: int) -> Tensor:
            seen.append(energy.energy(state, drives))
            return super().update(state, layer)

    plan = over_relaxed(settings(energy, 40, 0.0), omega)
    relax(Watched(energy.bind(drives, energy.weights())), zero_state(energy, 6, drives[0]), plan)
    heights = torch.stack(seen)
    assert (heights.diff(dim=0) <= 1e-12).all()
    assert (heights[-1] < heights[0] - 0.1).all()


def test_growth_is_answered_by_plain_sweeps() -> None:
    """At a rate of -0.9 any over-relaxation by 1.2 or more would diverge."""
    dynamics = Affine(torch.tensor([-0.9, 0.5], dtype=torch.float64))
    start = [torch.zeros(2, 3, dtype=torch.float64)]
    solution = relax(dynamics, start, Relaxation(2000, 1e-9, OverRelaxation(1.6, ONE_LAYER)))
    assert solution.status.tolist() == [Status.CONVERGED] * 2
    assert torch.allclose(solution.state[0][:, 0], 1 / (1 - dynamics.rate), atol=1e-7)


def test_a_saddle_is_left_the_sooner() -> None:
    """Steps that grow in one direction are no failure of over-relaxation."""

    class Clipped(Affine):
        def update(self, state: Sequence[Tensor], layer: int) -> Tensor:
            return super().update(state, layer).clamp(-1, 1)

        def admissible(self, layer: int, s: Tensor) -> Tensor:
            return s.clamp_(-1, 1)

    dynamics = Clipped(torch.tensor([1.3], dtype=torch.float64), offset=0.0)
    start = [torch.full((1, 3), 1e-6, dtype=torch.float64)]
    plan = Relaxation(200, 1e-9, ONE_LAYER)
    plain = relax(dynamics, start, plan)
    fast = relax(dynamics, start, over_relaxed(plan, 1.3))
    for solution in (plain, fast):
        assert solution.status.tolist() == [Status.CONVERGED]
        assert (solution.state[0] == 1).all()
    assert 3 * fast.sweeps.item() < 2 * plain.sweeps.item()


def test_divergence_is_still_told() -> None:
    dynamics = Affine(torch.tensor([1.5, 0.5], dtype=torch.float64))
    start = [torch.zeros(2, 3, dtype=torch.float64)]
    solution = relax(dynamics, start, Relaxation(300, 1e-9, OverRelaxation(1.3, ONE_LAYER)))
    assert solution.status.tolist() == [Status.DIVERGED, Status.CONVERGED]


@pytest.mark.parametrize("frozen_after", [-1, 5])
def test_a_sample_does_not_depend_on_its_batch(frozen_after: int) -> None:
    energy = convolutional_energy() if frozen_after < 0 else max_pooled_energy()
    drives = [normal(5, 2, 6, 6) * torch.logspace(-2, 0.7, 5).double().view(-1, 1, 1, 1)]
    plan = settings(energy, 300, 1e-9, freeze_after=frozen_after)
    plan = over_relaxed(plan, 1.3)
    together = solve(energy, drives, plan)
    assert (together.status == Status.CONVERGED).all()
    assert len(set(together.sweeps.tolist())) > 1  # some left the batch before others
    for k in range(5):
        alone = solve(energy, [drives[0][k : k + 1]], plan)
        assert together.sweeps[k] == alone.sweeps[0]
        for s, reference in zip(together.state, alone.state, strict=True):
            assert torch.allclose(s[k : k + 1], reference, rtol=0, atol=1e-12)


@pytest.mark.parametrize("after", [0, 2, 4])
@pytest.mark.parametrize("memory", [0, 3])
def test_plain_until_the_routing_is_frozen(after: int, memory: int) -> None:
    """So plain and accelerated phases freeze the same choices and come to the same rest."""
    energy, drives = max_pooled_energy(), [normal(4, 2, 6, 6)]
    plan = settings(energy, 300, 1e-12, freeze_after=after)
    plain = solve(energy, drives, plan)
    faster = over_relaxed(plan, 1.3)
    faster = accelerated(faster, memory, range(len(energy.layers))) if memory else faster
    fast = solve(energy, drives, faster)
    assert (fast.status == Status.CONVERGED).all()
    for s, reference in zip(fast.state, plain.state, strict=True):
        assert torch.allclose(s, reference, rtol=0, atol=1e-10)


def test_without_max_pooling_there_is_nothing_to_wait_for() -> None:
    energy, drives = chain_energy([5, 6, 4, 3], HardSigmoid()), [normal(6, 5)]
    plan = over_relaxed(settings(energy, 300, 1e-9), 1.3)
    at_once = solve(energy, drives, plan)
    later = solve(energy, drives, replace(plan, freeze_after=50))
    assert torch.equal(later.sweeps, at_once.sweeps)


@pytest.mark.parametrize("omega", [1.1, 1.3, 1.4])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
def test_a_sample_ends_no_further_from_rest_than_by_plain_sweeps(
    omega: float, tolerance: float
) -> None:
    """Though its last sweep was over-relaxed: the residual is that of the plain steps."""
    pooled = settings(max_pooled_energy(), 500, tolerance, freeze_after=3)
    cases = [(max_pooled_energy(), [normal(8, 2, 6, 6)], pooled)]
    for activation in (Identity(0.4), HardSigmoid(0.5), Tanh(0.5)):
        energy = chain_energy([5, 6, 4, 3], activation)
        for parameter in energy.parameters():
            parameter.data *= 1.2
        cases.append((energy, [normal(8, 5)], settings(energy, 500, tolerance)))
    for energy, drives, plan in cases:
        rest = solve(energy, drives, replace(plan, tolerance=1e-13))
        plain = _distance(solve(energy, drives, plan), rest)
        fast = _distance(solve(energy, drives, over_relaxed(plan, omega)), rest)
        assert fast.mean() <= plain.mean()


def _distance(found: Solution, rest: Solution) -> Tensor:
    pairs = zip(found.state, rest.state, strict=True)
    return squared_norm([a - b for a, b in pairs]).sqrt()


@pytest.mark.parametrize("sweeps", [1, 2, 7])
def test_a_phase_of_fixed_length_ends_with_a_plain_sweep(sweeps: int) -> None:
    energy, drives = chain_energy([5, 6, 4, 3], Tanh(0.5)), [normal(6, 5)]
    plan = over_relaxed(settings(energy, sweeps, 0.0), 1.4)
    found = solve(energy, drives, plan)
    assert found.sweeps.tolist() == [sweeps] * 6
    last = dynamics_of(energy, drives).update(found.state, 3)
    # Only a plain sweep leaves the layer that moved last where its neighbours put it.
    assert torch.allclose(found.state[3], last, rtol=0, atol=1e-15)
