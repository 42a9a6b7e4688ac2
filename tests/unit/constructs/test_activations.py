"""Activations match their potentials, for random arguments."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ffebm_dsl.language.registry import ACTIVATIONS
from ffebm_dsl.physics.interfaces import Activation

from .arguments import arguments

ELEMENTWISE = [n for n in ACTIVATIONS.visible() if ACTIVATIONS[n].make().elementwise]
elementwise = pytest.mark.parametrize("name", ELEMENTWISE)
INVERTIBLE = [n for n in ELEMENTWISE if ACTIVATIONS[n].make().invertible]


@pytest.mark.parametrize("name", INVERTIBLE)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_sigma_is_where_the_potential_less_the_field_is_least(
    name: str, data: st.DataObject
) -> None:
    activation = ACTIVATIONS[name].make(**arguments(data.draw, ACTIVATIONS[name]))
    v = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64)[:, None].expand(-1, 2)
    found = activation(v)
    for unit in range(2):
        low, high = (float(_nearest(activation, end)[0, unit]) for end in (-20.0, 20.0))
        grid = torch.linspace(low, high, 20001, dtype=torch.float64)
        costs = activation.potential(grid[:, None])[:, 0] - v[:, unit, None] * grid
        best = grid[costs.argmin(1)]
        assert torch.allclose(best, found[:, unit], atol=2 * float(grid[1] - grid[0]))


def _nearest(activation: Activation, state: float) -> torch.Tensor:
    """What two units make of a state that they may not be able to take, (1, 2)."""
    return activation.project(torch.full((1, 2), state, dtype=torch.float64))


@elementwise
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_derivative_and_overwrite_are_those_of_sigma(name: str, data: st.DataObject) -> None:
    activation = ACTIVATIONS[name].make(**arguments(data.draw, ACTIVATIONS[name]))
    v = torch.linspace(-2.05, 2.05, 42, dtype=torch.float64).view(-1, 2).requires_grad_()
    (expected,) = torch.autograd.grad(activation(v).sum(), v)
    assert torch.allclose(activation.derivative(v.detach()), expected, atol=1e-12)
    assert torch.equal(activation.overwrite(v.detach().clone()), activation(v.detach()))


@settings(max_examples=25, deadline=None)
@given(slope=st.floats(0.2, 5.0), seed=st.integers(0, 99))
def test_a_softmax_is_where_the_negative_entropy_less_the_field_is_least(
    slope: float, seed: int
) -> None:
    """No other point of the simplex has less, and the Jacobian is that of autograd."""
    generator = torch.Generator().manual_seed(seed)
    v, t = (torch.randn(1, 6, dtype=torch.float64, generator=generator) for _ in range(2))
    softmax = ACTIVATIONS["softmax"].make(slope=slope)
    others = torch.rand(500, 6, dtype=torch.float64, generator=generator).pow(3) + 1e-12
    others = others / others.sum(1, keepdim=True)

    def energy(s: torch.Tensor) -> torch.Tensor:
        return (softmax.potential(s) - v * s).sum(1)

    assert bool((energy(others) > energy(softmax(v))).all())
    _, expected = torch.autograd.functional.jvp(softmax, v, t)
    assert torch.allclose(softmax.jvp(v, t), expected, atol=1e-12)
    with pytest.raises(TypeError, match="use jvp"):
        softmax.derivative(v)


def test_softplus_from_far_below_to_far_above() -> None:
    """G by the trapezium rule over its derivative, log(exp(s) - 1)."""
    softplus = ACTIVATIONS["softplus"].make()
    s = torch.linspace(1e-6, 40, 400_001, dtype=torch.float64)
    slope = s + torch.log(-torch.expm1(-s))
    steps = torch.cumulative_trapezoid(slope, s)
    found = softplus.potential(s)
    assert torch.allclose(found[1:] - found[0], steps, atol=2e-3)


def test_holotanh_is_the_published_one_and_has_no_potential() -> None:
    """By the formula of its source, in the middle; and where that leaves rounding alone."""
    a = 1.0
    v = torch.linspace(-8, 9, 101, dtype=torch.float64)
    published = 0.5 * v * torch.sigmoid(a * v) + (1 - 0.5 * v) * torch.sigmoid(a * (v - 2))
    holotanh = ACTIVATIONS["holotanh"].make(slope=0.5, sharpness=2 * a)
    assert torch.allclose(holotanh(v), published, atol=1e-14)
    low, high = holotanh.range
    assert low < float(published.min()) < -0.05 and 1.05 < float(published.max()) < high
    assert float(holotanh.derivative(v).abs().max()) < holotanh.steepness
    assert holotanh(torch.tensor([-1e8, 1e8])).tolist() == [0.0, 1.0]
    with pytest.raises(TypeError, match="no potential"):
        holotanh.potential(v)
