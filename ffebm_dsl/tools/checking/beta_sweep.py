"""The order of an estimator's bias in the strength of the nudge."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import linear_regression

import torch
from torch import Tensor

from ffebm_dsl.constructs.gradients.aep import AsymmetricPropagation
from ffebm_dsl.constructs.gradients.ep import VARIANTS, EquilibriumPropagation
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.physics.interfaces import ContrastiveEstimator, Estimator
from ffebm_dsl.tools.checking.problem import Problem

Contrasts = dict[str, ContrastiveEstimator]
"""An estimator for each block."""


@dataclass(frozen=True)
class BetaSweep:
    """The error of EP relative to the implicit gradient, as a function of beta.

    ``observed_order`` is the slope of log error over log beta: 2 centered, 1 one-sided on
    smooth activations; None where the error is at rounding level for every beta (an
    energy that is quadratic around the equilibrium has no bias at all).
    """

    estimator: str
    betas: list[float]
    relative_errors: list[float]
    observed_order: float | None


def contrasts(
    spec: SpecIR,
    estimators: Mapping[str, Estimator],
    judged: Callable[[str], ContrastiveEstimator],
) -> dict[str, Contrasts]:
    """The estimators whose bias is measured, by name: variants of EP, and the spec's own.

    ``judged`` says which contrast must be right in a block.
    """
    plains = {variant: EquilibriumPropagation(1.0, variant) for variant in VARIANTS}
    found: dict[str, Contrasts] = {
        variant: {
            block: AsymmetricPropagation(plain) if judged(block).transposed else plain
            for block in estimators
        }
        for variant, plain in plains.items()
    }
    own = {block.name: block.gradient.name for block in spec.model.blocks}
    for name, estimator in estimators.items():
        plain = estimator.plain if isinstance(estimator, AsymmetricPropagation) else estimator
        known = isinstance(plain, EquilibriumPropagation)
        if isinstance(estimator, ContrastiveEstimator) and not known and not estimator.clamped:
            found[own[name]] = {block: judged(block) for block in estimators}
    return found


def beta_sweep(
    name: str,
    problem: Problem,
    estimators: Mapping[str, ContrastiveEstimator],
    largest: float,
    reference: Mapping[str, Tensor],
) -> BetaSweep:
    """The errors at ``largest`` and three halvings of it, against ``reference`` as one vector."""
    betas = [largest / 2**k for k in range(4)]
    expected = joined(reference)
    errors = []
    for beta in betas:
        found = problem.gradients({b: e.reaching(beta) for b, e in estimators.items()})
        errors.append(float((joined(found) - expected).norm() / expected.norm()))
    return BetaSweep(name, betas, errors, observed_order(betas, errors))


def rounding(beta: float) -> float:
    """Relative errors of EP below this are rounding of float64 states over beta, not bias."""
    return max(1e-9, 1e-11 / beta)


def observed_order(betas: list[float], errors: list[float]) -> float | None:
    """Least-squares slope of log error over log beta; None if fewer than two errors count."""
    points = [
        (math.log(b), math.log(e)) for b, e in zip(betas, errors, strict=True) if e > rounding(b)
    ]
    if len(points) < 2:
        return None
    return linear_regression(*zip(*points, strict=True)).slope


def joined(gradients: Mapping[str, Tensor]) -> Tensor:
    """All gradients as one vector."""
    return torch.cat([g.flatten() for g in gradients.values()])
