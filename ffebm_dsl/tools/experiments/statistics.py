"""Means of a few runs and of paired differences, with confidence intervals.

Intervals are Student's t intervals for the mean of independent normal values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
"""Confidence level of the intervals."""


@dataclass(frozen=True)
class Mean:
    """The mean of ``count`` values, their standard deviation, and the interval of the mean.

    With a single value the deviation and the interval's ends are NaN.
    """

    count: int
    mean: float
    deviation: float
    low: float
    high: float


def mean_of(values: Sequence[float]) -> Mean:
    """Mean, standard deviation with ``n - 1``, and ``mean +- t s / sqrt(n)``.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("no values have no mean")
    mean = float(np.mean(values))
    if len(values) == 1:
        return Mean(1, mean, math.nan, math.nan, math.nan)
    from scipy.stats import t

    deviation = float(np.std(values, ddof=1))
    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1)) * deviation / math.sqrt(len(values))
    return Mean(len(values), mean, deviation, mean - half, mean + half)


def paired(values: Mapping[int, float], others: Mapping[int, float]) -> Mean | None:
    """The mean of ``values[k] - others[k]`` over the common keys (seeds); None without any.

    Runs with the same seed share initial weights and the order of data as far as the settings
    allow, so that part of the variation cancels.
    """
    shared = sorted(values.keys() & others.keys())
    return mean_of([values[k] - others[k] for k in shared]) if shared else None
