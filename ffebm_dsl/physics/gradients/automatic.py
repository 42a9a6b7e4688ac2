"""The nudging strength at which EP's estimate is nearest to the gradient.

An estimate at strength b is off by a bias, which grows with b, and by a random error of size
``n / b``. Both are measured on a batch: estimates at a row of strengths, each half as strong as
the one before and each made twice with other noise. What differs between the two is noise. What
both say of the difference between a strength and weaker ones is bias, whether it has an order or
comes in jumps, as where units cross kinks (the comparison is that of Lepski 1990, Theory Probab.
Appl. 35). Where a phase has no noise of its own, the rounding of its numbers is the noise, and what
the tolerance leaves of the way counts with it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

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

WEAKER = 2
"""With how many weaker strengths one is compared; noise hides what the weakest would tell."""


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
    known = {k: (a, b) for k, (a, b) in enumerate(pairs) if a is not None and b is not None}
    if not known:
        return betas[-1]
    noises = sorted(
        betas[k] ** 2 * float((a - b).square().sum()) / 2 for k, (a, b) in known.items()
    )
    noise = noises[len(noises) // 2]
    squared = {
        k: _squared_bias(known, k, order) + noise / betas[k] ** 2
        for k in known
        if k + 1 in known or k == max(known)
    }
    least = min(squared, key=squared.__getitem__)
    return betas[least] * 2.0 ** -_vertex([squared.get(least + i) for i in (-1, 0, 1)])


def _squared_bias(known: dict[int, tuple[Tensor, Tensor]], k: int, order: int) -> float:
    """The squared bias of the k-th strength, by its differences from weaker ones.

    Of a bias of ``order`` a strength that is weaker by m halvings has the part ``2^(-order m)``,
    and the difference is the rest of it. The noise of the two draws is independent, so that the
    product of their differences has none in the mean.
    """
    found = [0.0]
    for m in range(1, WEAKER + 1):
        if k + m in known:
            (a, b), (weak_a, weak_b) = known[k], known[k + m]
            product = float(((a - weak_a) * (b - weak_b)).sum())
            found.append(product / (1 - 2.0 ** (-order * m)) ** 2)
    return max(found)


def _vertex(squared: list[float | None]) -> float:
    """Where between its neighbours, from -1/2 to 1/2, a least value is: by a parabola of logs."""
    if any(value is None or value <= 0 for value in squared):
        return 0.0
    left, middle, right = (math.log(value) for value in squared if value is not None)
    bend = left - 2 * middle + right
    return 0.0 if bend <= 0 else max(-0.5, min(0.5, (left - right) / (2 * bend)))


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
        batch, state = len(weights), equilibrium.state
        units = max(s[0].numel() for s in state)
        self._draws = equilibrium.draws or Draws(0, batch, 0, batch, units, state[0].device)
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
