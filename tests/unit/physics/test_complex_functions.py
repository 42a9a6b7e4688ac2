"""The functions of complex tensors equal torch's own, in values and derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ffebm_dsl.physics.complex_functions import exp, tanh

Function = Callable[[Tensor], Tensor]
PAIRS: list[tuple[Function, Function]] = [(exp, torch.exp), (tanh, torch.tanh)]


def points() -> Tensor:
    """Numbers of all sizes from 1e-8 to 30, on both axes, and beside a pole of tanh."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(2000, dtype=torch.complex128, generator=generator)
    sized = spread * torch.logspace(-8, 1.5, 2000, dtype=torch.float64)
    beside = 0.5j * math.pi + 1e-3 * spread
    return torch.cat([sized, beside, 1j * sized.imag, sized.real + 0j, torch.zeros(1)])


def error(found: Tensor, expected: Tensor, least: float = 1e-300) -> float:
    """The largest relative error, and an absolute one where less than ``least`` is expected."""
    return float(((found - expected).abs() / expected.abs().clamp_min(least)).max())


@pytest.mark.parametrize(("own", "reference"), PAIRS)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.complex128, 4e-15), (torch.complex64, 2e-6)])
def test_values_are_those_of_torch(
    own: Function, reference: Function, dtype: torch.dtype, limit: float
) -> None:
    z = points().to(dtype)
    assert error(own(z).to(torch.complex128), reference(z.to(torch.complex128))) < limit


@pytest.mark.parametrize(("own", "reference"), PAIRS)
def test_derivatives_are_those_of_torch(own: Function, reference: Function) -> None:
    z = points().requires_grad_()
    found, expected = (
        torch.autograd.grad(f(z), z, torch.ones_like(z))[0] for f in (own, reference)
    )
    assert error(found, expected, least=1.0) < 1e-11


@pytest.mark.parametrize(("own", "reference"), PAIRS)
def test_real_numbers_stay_real(own: Function, reference: Function) -> None:
    x = torch.linspace(-40, 40, 33)
    assert torch.equal(own(x), reference(x))


def test_far_to_either_side_tanh_is_1_or_minus_1() -> None:
    z = torch.tensor([1e4 + 3j, -1e4 + 3j, 400.0], dtype=torch.complex64)
    assert tanh(z).tolist() == [1, -1, 1]


def test_the_comparison_can_fail() -> None:
    z = points()
    assert error(tanh(z * (1 + 1e-12)), torch.tanh(z)) > 4e-15
