"""An activation and its potential belong together, whatever the arguments."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ffebm_dsl.language.registry import ACTIVATIONS

from .arguments import arguments


@pytest.mark.parametrize("name", ACTIVATIONS.visible())
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_sigma_is_where_the_potential_less_the_field_is_least(
    name: str, data: st.DataObject
) -> None:
    activation = ACTIVATIONS[name].make(**arguments(data.draw, ACTIVATIONS[name]))
    v = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64)
    low, high = (max(-20.0, min(20.0, end)) for end in activation.range)
    grid = torch.linspace(low, high, 20001, dtype=torch.float64)
    best = grid[(activation.potential(grid)[None] - v[:, None] * grid).argmin(1)]
    assert torch.allclose(best, activation(v), atol=2 * float(grid[1] - grid[0]))


@pytest.mark.parametrize("name", ACTIVATIONS.visible())
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_derivative_and_overwrite_are_those_of_sigma(name: str, data: st.DataObject) -> None:
    activation = ACTIVATIONS[name].make(**arguments(data.draw, ACTIVATIONS[name]))
    v = torch.linspace(-2.05, 2.05, 42, dtype=torch.float64).requires_grad_()
    (expected,) = torch.autograd.grad(activation(v).sum(), v)
    assert torch.allclose(activation.derivative(v.detach()), expected, atol=1e-12)
    assert torch.equal(activation.overwrite(v.detach().clone()), activation(v.detach()))
