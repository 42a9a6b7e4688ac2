"""phi, energy and the update rules that follow from them."""

from __future__ import annotations

import pytest
import torch

from ffebm_dsl.physics.energy import HardSigmoid, HopfieldDynamics, HopfieldEnergy, Tanh
from ffebm_dsl.physics.relaxation import relax
from tests.problems import convolutional_energy, max_pooled_energy, normal, settings


def random_state(energy: HopfieldEnergy, batch: int = 3) -> list[torch.Tensor]:
    return [0.3 * normal(batch, *layer.shape, seed=i) for i, layer in enumerate(energy.layers)]


@pytest.mark.parametrize("make", [convolutional_energy, max_pooled_energy])
def test_pre_activation_is_the_gradient_of_phi(make) -> None:  # type: ignore[no-untyped-def]
    energy = make()
    state = [s.requires_grad_() for s in random_state(energy)]
    drives = [normal(3, 2, 6, 6, seed=9)]
    expected = torch.autograd.grad(energy.phi(state, drives).sum(), state)
    dynamics = HopfieldDynamics(energy, drives)
    for layer, gradient in enumerate(expected):
        found = dynamics.pre_activation([s.detach() for s in state], layer)
        assert torch.allclose(found, gradient, atol=1e-10)


def test_a_kept_forward_is_forgotten_when_its_source_moves() -> None:
    energy = max_pooled_energy()
    state, drives = random_state(energy), [normal(3, 2, 6, 6, seed=9)]
    dynamics = HopfieldDynamics(energy, drives)
    before = dynamics.pre_activation(state, 1)
    state[0] = state[0] + 1.0
    assert torch.equal(dynamics.pre_activation(state, 1), before)  # kept until told
    dynamics.moved(0)
    fresh = HopfieldDynamics(energy, drives).pre_activation(state, 1)
    assert torch.equal(dynamics.pre_activation(state, 1), fresh)
    assert not torch.equal(fresh, before)


@pytest.mark.parametrize("activation", [Tanh(), HardSigmoid(0.5)])
def test_asynchronous_sweeps_never_raise_the_energy(activation) -> None:  # type: ignore[no-untyped-def]
    """Without lateral couplings each group update minimises the energy exactly."""
    energy = convolutional_energy(activation)
    del energy.couplings._modules["s3_s3"]
    drives = [normal(3, 2, 6, 6, seed=9)]
    state = energy.zero_state(3, drives[0])
    last = energy.energy(state, drives)
    for _ in range(12):
        state = relax(HopfieldDynamics(energy, drives), state, settings(energy, 1, 0.0)).state
        now = energy.energy(state, drives)
        assert (now <= last + 1e-12).all()
        last = now


def test_phi_gradient_is_that_of_autograd() -> None:
    energy = max_pooled_energy()
    state, drives = random_state(energy), [normal(3, 2, 6, 6, seed=9)]
    weights = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    expected = torch.autograd.grad((energy.phi(state, drives) * weights).sum(), energy.trainable())
    for found, gradient in zip(energy.phi_gradient(state, weights), expected, strict=True):
        assert torch.allclose(found, gradient, atol=1e-12)


def test_field_gradient_is_the_mixed_derivative() -> None:
    energy = max_pooled_energy()
    state = [s.requires_grad_() for s in random_state(energy)]
    drives = [normal(3, 2, 6, 6, seed=9)]
    direction = [normal(*s.shape, seed=20 + i) for i, s in enumerate(state)]
    weights = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    field = torch.autograd.grad(energy.phi(state, drives).sum(), state, create_graph=True)
    along = sum(
        ((w * f).flatten(1).sum(1) * weights).sum() for w, f in zip(direction, field, strict=True)
    )
    expected = torch.autograd.grad(along, energy.trainable())
    plain = [s.detach() for s in state]
    found = energy.field_gradient(plain, direction, weights, energy.routings(plain))
    for ours, gradient in zip(found, expected, strict=True):
        assert torch.allclose(ours, gradient, atol=1e-12)


def test_frozen_parameters_are_left_out() -> None:
    energy = convolutional_energy()
    energy.couplings["s2_s3"].requires_grad_(False)
    gradients = energy.phi_gradient(random_state(energy), torch.ones(3, dtype=torch.float64))
    assert [g.shape for g in gradients] == [p.shape for p in energy.trainable()]
    assert len(gradients) == 4
