"""Finite differences agree with derivatives, and report where there are none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ffebm_dsl.physics.gradients.finite_differences import (
    STEP,
    Differences,
    directions,
    project,
    smooth_differences,
)

AXIS = torch.ones(1, 1, dtype=torch.float64)


def bent(at: float, before: float = 1.0, behind: float = 3.0) -> Callable[[Tensor], float]:
    """A function of one variable whose slope changes where it passes ``at``."""
    return lambda d: 0.5 + before * min(float(d) - at, 0.0) + behind * max(float(d) - at, 0.0)


def along_the_axis(value: Callable[[Tensor], float], floor: float = 0.0) -> Differences:
    return smooth_differences(value, value(torch.zeros(1)), AXIS, floor=floor)


def test_few_entries_are_probed_one_by_one() -> None:
    rows = directions(torch.zeros(2, 2, dtype=torch.float64), 8, torch.Generator())
    assert torch.equal(rows.flatten(1), torch.eye(4, dtype=torch.float64))


def test_the_slopes_of_a_known_function() -> None:
    point = torch.linspace(0, 1, 30, dtype=torch.float64)
    rows = directions(point, 5, torch.Generator().manual_seed(0))
    assert rows.abs().eq(1).all() and rows.shape == (5, 30)

    def value(offset: Tensor) -> float:
        return float(torch.sin(point + offset).sum())

    found = smooth_differences(value, value(torch.zeros_like(point)), rows)
    assert (found.wanted, found.set_aside) == (5, 0)
    assert torch.equal(found.rows, rows)
    assert torch.allclose(found.slopes, project(torch.cos(point), rows), rtol=1e-7)


@pytest.mark.parametrize("at", [0.5 * STEP, -0.5 * STEP, 0.05 * STEP])
def test_a_kink_within_the_step_is_stepped_around(at: float) -> None:
    found = along_the_axis(bent(at))
    assert found.set_aside == 0
    assert float(found.slopes) == pytest.approx(1.0 if at > 0 else 3.0, rel=1e-4)


@pytest.mark.parametrize(("behind", "enough"), [(1.0015, True), (1.003, False)])
def test_a_slight_kink_at_the_point_is_admitted(behind: float, enough: bool) -> None:
    """Where no step is smooth, the smoothest counts, if it is off by a thousandth at most."""
    assert along_the_axis(bent(0.0, 1.0, behind)).enough is enough


def test_a_kink_at_the_point_leaves_nothing_to_judge_by() -> None:
    found = along_the_axis(bent(0.0))
    assert found.set_aside == 1 and not found.enough
    assert found.slopes.shape == (0,) and found.rows.shape == (0, 1)


def test_a_jump_is_a_kink_too() -> None:
    assert not along_the_axis(lambda d: float(d) + (1.0 if float(d) > 0 else 0.0)).enough


def test_a_small_kink_below_the_floor_is_nobodys_concern() -> None:
    value = bent(0.0, 0.0, 1e-6)
    assert not along_the_axis(value).enough
    assert along_the_axis(value, floor=1e-5).enough


def test_a_floor_below_the_slopes_excuses_no_kink() -> None:
    """A slope of 1 that becomes 1.01 within the step is found without it."""
    found = along_the_axis(bent(0.5 * STEP, 1.0, 1.01), floor=0.1)
    assert float(found.slopes) == pytest.approx(1.0, abs=1e-6)


def test_a_function_that_does_not_change_is_smooth() -> None:
    found = along_the_axis(lambda d: 0.7)
    assert found.enough and float(found.slopes) == 0.0


def test_others_take_the_place_of_what_is_set_aside() -> None:
    """|x| + y + z has a kink in every direction but those that keep x."""
    rows = torch.eye(3, dtype=torch.float64)[[0, 1]]
    spare = [torch.tensor(row, dtype=torch.float64) for row in ([1, 1, 0], [0, 0, 1], [0, 1, 1])]

    def value(offset: Tensor) -> float:
        return float(offset[0].abs() + offset[1] + offset[2])

    found = smooth_differences(value, 0.0, rows, spare=lambda: spare)
    assert torch.equal(found.rows, torch.stack([rows[1], spare[1]]))
    assert (found.wanted, found.set_aside, found.enough) == (2, 2, True)
    assert torch.allclose(found.slopes, torch.ones(2, dtype=torch.float64))


@given(slope=st.floats(0.1, 10), curvature=st.floats(-10, 10), wrong=st.floats(1.02, 1.5))
def test_the_judgement_knows_no_gradient(slope: float, curvature: float, wrong: float) -> None:
    """What is smooth is kept, so that a gradient that is off stays off."""

    def value(d: Tensor) -> float:
        return 0.3 + slope * float(d) + curvature * float(d) ** 2

    found = along_the_axis(value)
    assert found.enough
    assert float(found.slopes) == pytest.approx(slope, rel=1e-4)
    assert float(found.slopes) != pytest.approx(wrong * slope, rel=1e-2)
