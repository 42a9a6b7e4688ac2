"""The nudging strength at which EP's estimate is nearest to the gradient.

An estimate of order p at strength b is off by a bias of size ``a b^p`` and a random error of
size ``n / b``. Its mean squared error is least at ``b = (n / (a sqrt(p))) ^ (1 / (p + 1))``.
Both sizes are measured on a batch: estimates at a row of strengths, each half as strong as the
one before and each made twice with other noise. What differs between the two is noise; what
differs between neighbours beyond that is bias. Where a phase has no noise of its own, the
rounding of its numbers is the noise, and what the tolerance leaves of the way counts with it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from ffebm_dsl.physics.gradients.contrast import nudged_phases
from ffebm_dsl.physics.interfaces import (
    ContrastiveEstimator,
    Cost,
    Draws,
    Equilibrium,
    PhaseSettings,
    PreActivationNoise,
    Status,
)

STRONGEST = 2.0
"""The largest force of a nudge that is tried, in units of the pre-activation."""

STRENGTHS = 14
"""Strengths tried, each half of the one before."""

CROSSINGS = 0.01
"""The largest part of the units that a nudge may carry across a kink, where that costs little."""

COSTLY = 0.1
"""Noise of this part of the gradient costs more than a kink that is crossed."""


def choose_beta(
    contrast: ContrastiveEstimator,
    order: int,
    equilibrium: Equilibrium,
    cost: Cost,
    weights: Tensor,
) -> float:
    """The strongest nudge of ``contrast``, whose bias is of ``order``, with the least error.

    Returns the reach: of a stencil the outermost nudge.
    """
    size = max(float(c.abs().max()) for c in cost.gradient(equilibrium.state).values())
    if not 0 < size < math.inf:
        return contrast.reach
    at = _Estimates(contrast, equilibrium, cost, weights)
    betas = [STRONGEST / size / 2**k for k in range(STRENGTHS)]
    pairs = [(at(beta, 1), at(beta, 2)) for beta in betas]
    sound = [k for k, pair in enumerate(pairs) if all(g is not None for g in pair)]
    known = {k: (pairs[k][0], pairs[k][1]) for k in sound}
    if not known:
        return betas[-1]
    means = {k: (a + b) / 2 for k, (a, b) in known.items() if a is not None and b is not None}
    noises = [
        betas[k] ** 2 * float((a - b).square().sum()) / 2
        for k, (a, b) in known.items()
        if a is not None and b is not None
    ]
    noise = sorted(noises)[len(noises) // 2]
    best = min(_least(means, betas, noise, order), betas[min(known)])
    weakest = math.sqrt(noise) / (COSTLY * float(means[min(known)].norm()) + 1e-300)
    while best / 2 > weakest and _crossed(contrast, equilibrium, cost, best) > CROSSINGS:
        best /= 2
    return best


def _least(means: dict[int, Tensor], betas: list[float], noise: float, order: int) -> float:
    """Where bias and noise together are least; the strongest nudge where no bias shows."""
    for k in sorted(means, reverse=True):
        stronger = k - 1
        if stronger not in means:
            continue
        apart = float((means[stronger] - means[k]).square().sum())
        random = noise / 2 * (betas[stronger] ** -2 + betas[k] ** -2)
        bias = apart - random
        if bias > 2 * random:
            scale = betas[stronger] ** order - betas[k] ** order
            squared = bias / scale**2
            return float((noise / (order * squared)) ** (1 / (2 * order + 2)))
    return math.inf


class _Estimates:
    """Estimates of one gradient, at any strength and with any noise."""

    def __init__(
        self,
        contrast: ContrastiveEstimator,
        equilibrium: Equilibrium,
        cost: Cost,
        weights: Tensor,
    ) -> None:
        self._contrast, self._cost, self._weights = contrast, cost, weights
        batch = len(weights)
        self._draws = equilibrium.draws or Draws(0, batch, 0, batch)
        nudged = equilibrium.nudged
        self._equilibrium = replace(equilibrium, nudged=_noisy(nudged, equilibrium))

    def __call__(self, reach: float, number: int) -> Tensor | None:
        """The gradient by weights and drives, all in one; None where a phase has diverged."""
        draws = replace(self._draws, seed=(self._draws.seed + number) % 2**62)
        equilibrium = replace(self._equilibrium, draws=draws)
        found = self._contrast.reaching(reach).estimate(equilibrium, self._cost, self._weights)
        statuses = torch.cat([s.status for s in found.solutions["nudged"]])
        parts = [g.flatten() for g in (*found.weights.values(), *found.drives)]
        gradient = torch.cat(parts).double()
        if bool((statuses == Status.DIVERGED).any()) or not bool(gradient.isfinite().all()):
            return None
        return gradient


def _noisy(nudged: PhaseSettings, equilibrium: Equilibrium) -> PhaseSettings:
    """The phase with the noise of rounding, or of its tolerance, besides its own."""
    largest = max(float(s.abs().max()) for s in equilibrium.state)
    rounding = torch.finfo(equilibrium.state[0].dtype).eps * max(largest, 1.0)
    least = PreActivationNoise(max(rounding, nudged.tolerance * largest))
    return replace(nudged, noise=(*nudged.noise, least))


def _crossed(
    contrast: ContrastiveEstimator, equilibrium: Equilibrium, cost: Cost, beta: float
) -> float:
    """The part of the units that are on different sides of a kink under the two nudges."""
    quiet = replace(equilibrium, nudged=replace(equilibrium.nudged, noise=()))
    transposed = contrast.transposed
    up, down = nudged_phases(quiet, cost, [beta, -beta], transposed=transposed).values()
    pairs = zip(equilibrium.bound.layers, up.state, down.state, strict=True)
    counts = [(int(layer.activation.crossed(a, b).sum()), a.numel()) for layer, a, b in pairs]
    return sum(crossed for crossed, _ in counts) / sum(units for _, units in counts)
