"""Choice of the nudging strength at which EP's estimate has the least error.

An estimate at strength b is off by a bias, which grows with b, by a random error ``n / b`` and by
what converters, rounding and tolerances leave out. On a batch, estimates at a sequence of
strengths, each half the one before, are compared with a reference: the same contrast at a weak
nudge, without noise and errors of reading, which a simulation can have and a device cannot. The
squared distance is all of the error, whether or not its bias has an order in b.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from ffebm_dsl.physics.interfaces import ContrastiveEstimator, Cost, Equilibrium, Status

STRONGEST = 2.0
"""The largest force of a nudge that is tried, in units of the pre-activation."""

STRENGTHS = 14
"""Strengths tried, each half of the one before."""


def choose_beta(
    contrast: ContrastiveEstimator, equilibrium: Equilibrium, cost: Cost, weights: Tensor
) -> float:
    """The strength of the strongest nudge of ``contrast`` that gives the least error."""
    size = largest_cotangent(cost, equilibrium)
    if not 0 < size < math.inf:
        return contrast.reach
    betas = [STRONGEST / size / 2**k for k in range(STRENGTHS)]
    exact = _reference(contrast, equilibrium, cost, weights, size)
    if exact is None:
        return betas[-1]
    found = [_gradient(contrast.reaching(b), equilibrium, cost, weights) for b in betas]
    squared = [math.inf if g is None else float((g - exact).square().sum()) for g in found]
    least = min(range(STRENGTHS), key=squared.__getitem__)
    return betas[least] * 2.0 ** -_vertex(squared[max(least - 1, 0) : least + 2])


def largest_cotangent(cost: Cost, equilibrium: Equilibrium) -> float:
    """The largest entry, by modulus, of what the loss asks of a free state."""
    return max(float(c.abs().max()) for c in cost.gradient(equilibrium.state).values())


def _reference(
    contrast: ContrastiveEstimator,
    equilibrium: Equilibrium,
    cost: Cost,
    weights: Tensor,
    size: float,
) -> Tensor | None:
    """The gradient by weak nudges in phases without noise, of full length, read exactly.

    The force of the nudge is the cube root of the dtype's epsilon, at which rounding and a bias of
    order 2 are alike. Where the free state is not exactly at rest, phases move on from it whatever
    the nudge; ``2 g(2 b) - g(b)`` is free of that, and of the ``1 / b`` it is divided by.
    """
    nudged = replace(equilibrium.nudged, noise=(), tolerance=0.0)
    quiet = replace(equilibrium, nudged=nudged, read=None, measured=None)
    beta = torch.finfo(equilibrium.state[0].dtype).eps ** (1 / 3) / size
    weak, twice = (_gradient(contrast.reaching(b), quiet, cost, weights) for b in (beta, 2 * beta))
    return None if weak is None or twice is None else 2 * twice - weak


def _gradient(
    contrast: ContrastiveEstimator, equilibrium: Equilibrium, cost: Cost, weights: Tensor
) -> Tensor | None:
    """The gradient by all weights and drives, flattened; None where a phase has diverged."""
    found = contrast.estimate(equilibrium, cost, weights)
    statuses = torch.cat([s.status for s in found.solutions["nudged"]])
    parts = [g.flatten() for g in (*found.weights.values(), *found.drives)]
    gradient = torch.cat(parts).double()
    if bool((statuses == Status.DIVERGED).any()) or not bool(gradient.isfinite().all()):
        return None
    return gradient


def _vertex(squared: list[float]) -> float:
    """The place of a minimum between its two neighbours, -1/2 to 1/2, by a parabola of logs."""
    if len(squared) < 3 or not all(0 < value < math.inf for value in squared):
        return 0.0
    left, middle, right = map(math.log, squared)
    bend = left - 2 * middle + right
    return 0.0 if bend <= 0 else max(-0.5, min(0.5, (left - right) / (2 * bend)))
