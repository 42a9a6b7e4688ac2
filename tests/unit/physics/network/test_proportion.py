"""Scaling a loss does not harm the gradient: extreme nudges are normalised."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ffebm_dsl.constructs.activations.clipped_relu import ClippedRelu
from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.identity import Identity
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.physics.gradients.gradient_comparison import compare
from ffebm_dsl.physics.interfaces import Estimator
from ffebm_dsl.physics.network import EnergyBlock
from ffebm_dsl.physics.network.proportion import SATURATING, proportioned
from tests.problems import block, chain_energy, normal

FACTORS = (1e-30, 1e-12, 1e-6, 1e-3, 0.25, 64.0, 128.0, 65536.0, 1e12, 1e30)


def cosine(core: EnergyBlock, x: Tensor, y: Tensor, factor: float) -> float:
    """Of EP's gradient of the loss times ``factor`` with the exact gradient."""

    def gradient(estimator: Estimator, factor: float) -> Tensor:
        settings = replace(core.settings, estimator=estimator)
        loss = factor * nn.functional.cross_entropy(core(x, settings=settings), y)
        found = torch.autograd.grad(loss, list(core.parameters()))
        return torch.cat([g.flatten() for g in found]) / factor

    exact = gradient(Implicit(1e-6 if x.dtype == torch.float32 else 1e-12, 500), 1.0)
    found = gradient(core.settings.estimator, factor)
    assert 0.8 < float(found.norm() / exact.norm()) < 1.25
    return compare(found, exact).cosine


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("factor", FACTORS)
def test_a_factor_on_the_loss_does_no_harm(factor: float, dtype: torch.dtype) -> None:
    energy = chain_energy([6, 8, 4], HardSigmoid(0.5)).to(dtype)
    core = block(energy, EquilibriumPropagation(0.2))
    x, y = normal(16, 6).to(dtype), torch.arange(16) % 4
    if dtype == torch.float32 and not 1e-13 < factor < 1e13:
        pytest.skip("the cotangents themselves leave the range of float32")
    assert cosine(core, x, y, factor) > cosine(core, x, y, 1.0) - 0.01


def test_without_it_the_same_factor_ruins_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison above can fail."""
    monkeypatch.setattr("ffebm_dsl.physics.network.proportion.SATURATING", float("inf"))
    core = block(chain_energy([6, 8, 4], HardSigmoid(0.5)), EquilibriumPropagation(0.2))
    x, y = normal(16, 6), torch.arange(16) % 4
    with pytest.raises(AssertionError):
        assert cosine(core, x, y, 65536.0) > cosine(core, x, y, 1.0) - 0.01


def test_within_proportion_nothing_changes() -> None:
    c, weights = normal(5, 3), torch.full((5,), 0.2, dtype=torch.float64)
    c = c * (SATURATING / c.abs().max())
    cost, scaled = proportioned({1: c}, [Tanh(), Identity()], weights)
    # A tanh has a range of 2: twice that is still in proportion.
    assert torch.equal(cost.cotangents[1], c) and torch.equal(scaled, weights)
    for factor in (1e3, 1e-16):
        cost, scaled = proportioned({1: factor * c}, [Tanh(), Identity()], weights)
        sizes = cost.cotangents[1].abs().amax(1) / 2
        assert ((sizes > 0.17) & (sizes < 0.36)).all()
        given, kept = factor * c * weights[:, None], cost.cotangents[1] * scaled[:, None]
        assert torch.equal(kept, given)  # powers of two: to the last bit


def test_a_range_that_no_state_fills_is_no_measure() -> None:
    energy = chain_energy([6, 8, 4], ClippedRelu(max=1000.0)).float()
    core = block(energy, EquilibriumPropagation(0.2))
    x, y = normal(16, 6).float(), torch.arange(16) % 4
    assert cosine(core, x, y, 0.01) > 0.999


def test_zero_and_what_is_not_finite_are_left_alone() -> None:
    c = torch.tensor([[0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]])
    cost, weights = proportioned({0: c}, [Identity()], torch.ones(3))
    assert torch.equal(weights, torch.ones(3))
    assert torch.equal(cost.cotangents[0].isfinite(), c.isfinite())


def test_a_term_of_ones_own_beside_a_loss_times_zero() -> None:
    """Its gradient is its own, whatever the other loss is multiplied by."""
    core = block(chain_energy([6, 8, 4], Tanh()), EquilibriumPropagation(1e-3))
    x, y = normal(8, 6), torch.arange(8) % 4

    def found(weight: float) -> Tensor:
        out = core(x)
        loss = weight * nn.functional.cross_entropy(out, y) + out.square().mean()
        (gradient, *_) = torch.autograd.grad(loss, list(core.parameters()))
        return gradient

    alone = torch.autograd.grad(core(x).square().mean(), list(core.parameters()))[0]
    assert float(alone.norm()) > 0
    assert torch.equal(found(0.0), alone)
    assert compare(found(1e-6), alone).relative_error < 1e-4
