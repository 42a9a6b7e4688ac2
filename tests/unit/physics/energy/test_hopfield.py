"""phi, energy and the update rules that follow from them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.ops.linear import Linear
from ffebm_dsl.constructs.ops.max_pool2d import MaxPool2d
from ffebm_dsl.physics.energy import Coupling, Drive, HopfieldEnergy
from ffebm_dsl.physics.interfaces import EnergyGradient, Layer, State
from ffebm_dsl.physics.relaxation import relax
from tests.problems import (
    convolutional_energy,
    dynamics_of,
    max_pooled_energy,
    normal,
    settings,
    weights_of,
    zero_state,
)


def random_state(energy: HopfieldEnergy, batch: int = 3) -> list[torch.Tensor]:
    return [0.3 * normal(batch, *layer.shape, seed=i) for i, layer in enumerate(energy.layers)]


@pytest.mark.parametrize("make", [convolutional_energy, max_pooled_energy])
def test_pre_activation_is_the_gradient_of_phi(make) -> None:  # type: ignore[no-untyped-def]
    energy = make()
    state = [s.requires_grad_() for s in random_state(energy)]
    drives = [normal(3, 2, 6, 6, seed=9)]
    expected = torch.autograd.grad(energy.phi(state, drives).sum(), state)
    dynamics = dynamics_of(energy, drives)
    for layer, gradient in enumerate(expected):
        found = dynamics.pre_activation([s.detach() for s in state], layer)
        assert torch.allclose(found, gradient, atol=1e-10)


def test_a_kept_forward_is_forgotten_when_its_source_moves() -> None:
    energy = max_pooled_energy()
    state, drives = random_state(energy), [normal(3, 2, 6, 6, seed=9)]
    dynamics = dynamics_of(energy, drives)
    before = dynamics.pre_activation(state, 1)
    state[0] = state[0] + 1.0
    assert torch.equal(dynamics.pre_activation(state, 1), before)  # kept until told
    dynamics.moved(0)
    fresh = dynamics_of(energy, drives).pre_activation(state, 1)
    assert torch.equal(dynamics.pre_activation(state, 1), fresh)
    assert not torch.equal(fresh, before)


@pytest.mark.parametrize("activation", [Tanh(), HardSigmoid(0.5)])
def test_asynchronous_sweeps_never_raise_the_energy(activation) -> None:  # type: ignore[no-untyped-def]
    """Without lateral couplings each group update minimises the energy exactly."""
    energy = convolutional_energy(activation)
    del energy.couplings._modules["s3_s3"]
    drives = [normal(3, 2, 6, 6, seed=9)]
    state = zero_state(energy, 3, drives[0])
    last = energy.energy(state, drives)
    for _ in range(12):
        state = relax(dynamics_of(energy, drives), state, settings(energy, 1, 0.0)).state
        now = energy.energy(state, drives)
        assert (now <= last + 1e-12).all()
        last = now


SCALES = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)


def assert_gradients(
    found: EnergyGradient, expected: Sequence[torch.Tensor], energy: HopfieldEnergy
) -> None:
    pairs = zip([*found.weights.values(), *found.drives], expected, strict=True)
    assert list(found.weights) == list(energy.weights())
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in pairs)


@pytest.mark.parametrize("driven", [Drive(0), Drive(1, {"linear": Linear((5,), 27)})])
def test_the_contrast_is_that_of_autograd(driven: Drive) -> None:
    energy = max_pooled_energy()
    if driven.layer:
        energy = with_dense_layer(driven)
    states = [random_state(energy), [s + 0.1 for s in random_state(energy)]]
    (shape,) = energy.drive_shapes
    drives = [normal(3, *shape, seed=9).requires_grad_()]
    value = sum(
        (energy.phi(s, drives) * sign * SCALES).sum()
        for s, sign in zip(states, (1, -1), strict=True)
    )
    expected = torch.autograd.grad(value, [*energy.parameters(), *drives])
    bound = energy.bind([u.detach() for u in drives], weights_of(energy))
    found = bound.contrast(states, [SCALES, -SCALES], [bound.routings(s) for s in states])
    assert_gradients(found, expected, energy)


def with_dense_layer(drive: Drive) -> HopfieldEnergy:
    layers = [Layer("s1", (4,), Tanh()), Layer("s2", (27,), Tanh())]
    coupling = Coupling(0, 1, {"linear": Linear((4,), 27)})
    return HopfieldEnergy(layers, {"s1_s2": coupling}, {"u_s2": drive}).double()


@pytest.mark.parametrize("driven", [Drive(0), Drive(1, {"linear": Linear((5,), 27)})])
def test_the_response_gradient_is_the_mixed_derivative(driven: Drive) -> None:
    energy = with_dense_layer(driven) if driven.layer else max_pooled_energy()
    state = [s.requires_grad_() for s in random_state(energy)]
    (shape,) = energy.drive_shapes
    drives = [normal(3, *shape, seed=9).requires_grad_()]
    response = [normal(*s.shape, seed=20 + i) for i, s in enumerate(state)]
    field = torch.autograd.grad(energy.phi(state, drives).sum(), state, create_graph=True)
    along = sum(
        ((w * f).flatten(1).sum(1) * SCALES).sum() for w, f in zip(response, field, strict=True)
    )
    expected = torch.autograd.grad(along, [*energy.parameters(), *drives])
    plain = [s.detach() for s in state]
    bound = energy.bind([u.detach() for u in drives], weights_of(energy))
    found = bound.response_gradient(plain, response, SCALES, bound.routings(plain))
    assert_gradients(found, expected, energy)


def test_a_drive_with_max_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match="in the map before it"):
        Drive(0, {"max_pool2d": MaxPool2d((2, 4, 4), 2, stride=2)})


def test_a_changed_phi_is_not_ignored() -> None:
    with pytest.raises(TypeError, match="overrides phi, which the closed forms of HopfieldEnergy"):

        class Shifted(HopfieldEnergy):
            def phi(self, state: State, drives: Sequence[torch.Tensor]) -> torch.Tensor:
                return super().phi(state, drives) + 1
