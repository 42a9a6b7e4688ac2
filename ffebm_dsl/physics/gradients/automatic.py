"""Choice of the nudging strength at which EP's estimate has the least error.

An estimate at strength b is off by a bias, which grows with b, and by a random error of size
``n / b``. Both are measured on a batch, by estimates at a sequence of strengths, each half the one
before, each made twice with different noise. The difference between the two is noise. The
difference between a strength and weaker ones, as far as both agree on it, is bias, whether it has
an order or comes in jumps where units cross kinks (the comparison is that of Lepski 1990, Theory
Probab. Appl. 35). In a phase without noise, the noise is that of rounding and of the tolerance.
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
    """The strength of the strongest nudge of ``contrast`` that gives the least error.

    ``order`` is that of its bias.
    """
    size = largest_cotangent(cost, equilibrium)
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


def largest_cotangent(cost: Cost, equilibrium: Equilibrium) -> float:
    """The largest entry, by modulus, of what the loss asks of a free state."""
    return max(float(c.abs().max()) for c in cost.gradient(equilibrium.state).values())


def _squared_bias(known: dict[int, tuple[Tensor, Tensor]], k: int, order: int) -> float:
    """The squared bias of the k-th strength, by its differences from weaker ones.

    A strength weaker by m halvings has ``2^(-order m)`` of a bias of ``order``, and the difference
    is the rest of it. As the noise of the two estimates is independent, the product of their
    differences is unbiased.
    """
    found = [0.0]
    for m in range(1, WEAKER + 1):
        if k + m in known:
            (a, b), (weak_a, weak_b) = known[k], known[k + m]
            product = float(((a - weak_a) * (b - weak_b)).sum())
            found.append(product / (1 - 2.0 ** (-order * m)) ** 2)
    return max(found)


def _vertex(squared: list[float | None]) -> float:
    """The place of a minimum between its neighbours, -1/2 to 1/2, by a parabola of logs."""
    if any(value is None or value <= 0 for value in squared):
        return 0.0
    left, middle, right = (math.log(value) for value in squared if value is not None)
    bend = left - 2 * middle + right
    return 0.0 if bend <= 0 else max(-0.5, min(0.5, (left - right) / (2 * bend)))


class _Estimates:
    """Estimates of one gradient at any strength, each with noise of its own."""

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
        """The gradient by all weights and drives, flattened; None where a phase has diverged."""
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
