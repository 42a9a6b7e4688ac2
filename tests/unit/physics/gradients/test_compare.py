"""The comparison fails for every way in which a gradient can be wrong."""

from __future__ import annotations

import math

import pytest
import torch

from ffebm_dsl.physics.gradients.gradient_comparison import compare

G = torch.tensor([3.0, -4.0], dtype=torch.float64)


def test_equal_gradients_agree() -> None:
    result = compare(G, G)
    assert result.cosine == pytest.approx(1.0)
    assert result.relative_error == 0
    assert result.agrees(0.999)


def test_a_flipped_sign_is_seen() -> None:
    assert compare(-G, G).cosine == pytest.approx(-1.0)
    assert not compare(-G, G).agrees(0.999)


def test_a_scale_is_seen_by_the_relative_error_alone() -> None:
    result = compare(2 * G, G)
    assert result.cosine == pytest.approx(1.0)
    assert result.relative_error == pytest.approx(1.0)


def test_a_vanishing_estimate_of_a_real_gradient_is_wrong() -> None:
    result = compare(torch.zeros_like(G), G)
    assert result.cosine == 0
    assert not result.agrees(0.999)


def test_a_real_estimate_of_a_vanishing_gradient_is_wrong() -> None:
    result = compare(G, torch.zeros_like(G))
    assert not result.agrees(0.999)
    assert result.relative_error == math.inf


@pytest.mark.parametrize("factor", [0.0, 1e-12])
def test_two_that_vanish_are_equal(factor: float) -> None:
    """Also where rounding points the other way."""
    result = compare(factor * G, -factor * G, floor=1e-9)
    assert result.vanishes and result.agrees(0.999)
    assert (result.cosine, result.relative_error) == (1.0, 0.0)


def test_one_that_vanishes_is_not_two() -> None:
    zero = torch.zeros_like(G)
    for result in (compare(zero, G), compare(G, zero), compare(G, G)):
        assert not result.vanishes


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_never_agrees(bad: float) -> None:
    broken = torch.tensor([bad, 1.0])
    assert not compare(broken, G).agrees(0.999)
    assert not compare(G, broken).agrees(0.999)
    assert not compare(broken, broken).agrees(0.999)


def test_small_gradients_do_not_underflow() -> None:
    assert compare(1e-100 * G, 1e-100 * G).cosine == pytest.approx(1.0)


def test_shapes_must_match() -> None:
    with pytest.raises(ValueError, match="shapes"):
        compare(G, G[None])
