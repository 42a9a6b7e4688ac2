"""Intervals cover the true mean at their confidence level."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ffebm_dsl.tools.experiments.statistics import mean_of, paired

RUNS = 4000


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_the_interval_of_a_mean_covers_it_in_95_of_100_experiments(seeds: int) -> None:
    random = np.random.default_rng(seeds)
    accuracies = 0.97 + 0.004 * random.standard_normal((RUNS, seeds))
    found = [mean_of(list(row)) for row in accuracies]
    covered = np.mean([m.low <= 0.97 <= m.high for m in found])
    assert 0.93 <= covered <= 0.97


def test_the_interval_of_a_paired_difference_covers_it_in_95_of_100_experiments() -> None:
    random = np.random.default_rng(0)
    covered, widths = [], []
    for _ in range(RUNS):
        shared = 0.01 * random.standard_normal(5)  # what a seed does to both
        a = dict(enumerate(0.98 + shared + 0.002 * random.standard_normal(5)))
        b = dict(enumerate(0.97 + shared + 0.002 * random.standard_normal(5)))
        difference = paired(a, b)
        assert difference is not None
        covered.append(difference.low <= 0.01 <= difference.high)
        widths.append(difference.high - difference.low)
    assert 0.93 <= np.mean(covered) <= 0.97
    # Half of the interval of a difference of two unpaired means.
    assert np.mean(widths) < 0.5 * 2 * 2.306 * math.sqrt(2 * (0.01**2 + 0.002**2) / 5)


def test_an_interval_too_narrow_would_be_noticed() -> None:
    """The normal quantile in the place of Student's: too narrow for three seeds."""
    random = np.random.default_rng(1)
    found = [mean_of(list(row)) for row in random.standard_normal((RUNS, 3))]
    half = [1.96 * m.deviation / math.sqrt(3) for m in found]
    assert np.mean([abs(m.mean) <= h for m, h in zip(found, half, strict=True)]) < 0.93


def test_the_numbers_of_three() -> None:
    found = mean_of([1.0, 2.0, 3.0])
    assert found.mean == 2.0 and found.deviation == 1.0
    # t of 2 degrees of freedom at 97.5 % is 4.302653.
    assert found.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-6)
    assert found.low == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-6)


def test_one_run_has_a_mean_and_no_interval() -> None:
    found = mean_of([0.5])
    assert found.mean == 0.5 and math.isnan(found.low) and math.isnan(found.deviation)
    with pytest.raises(ValueError):
        mean_of([])


def test_only_seeds_of_both_are_paired() -> None:
    found = paired({0: 1.0, 1: 2.0, 7: 9.0}, {1: 1.0, 0: 0.5, 3: 4.0})
    assert found is not None and found.count == 2 and found.mean == 0.75
    assert paired({0: 1.0}, {1: 1.0}) is None
