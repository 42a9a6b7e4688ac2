"""``gradient ep``."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from dataclasses import dataclass

from ffebm_dsl.language.registry import (
    Arguments,
    Backward,
    Bounds,
    EstimatorConstruct,
    Kind,
    Parameter,
)
from ffebm_dsl.language.registry.parameters import POSITIVE
from ffebm_dsl.physics.interfaces import AutomaticEstimator, ContrastiveEstimator, Estimator, Phase

AUTO = "auto"

VARIANTS: Mapping[str, tuple[Phase, ...]] = {
    "centered": (Phase(1.0, 0.5), Phase(-1.0, -0.5)),
    "positive": (Phase(1.0, 1.0), Phase(0.0, -1.0)),
    "negative": (Phase(0.0, 1.0), Phase(-1.0, -1.0)),
}
"""The phases of each variant for a nudging strength of 1."""

RANDOM = "random"
"""The variant whose nudge is positive in half of the calls, and negative in the others."""


@dataclass(frozen=True)
class EquilibriumPropagation(ContrastiveEstimator):
    """EP with nudging strength ``beta`` > 0 in one of ``VARIANTS``, or with a random sign.

    Raises:
        ValueError: beta is not positive, or the variant is unknown.
    """

    beta: float = 0.2
    variant: str = "centered"

    def __post_init__(self) -> None:
        _require_positive(self.beta)
        if self.variant not in (*VARIANTS, RANDOM):
            known = ", ".join((*VARIANTS, RANDOM))
            raise ValueError(f"unknown variant {self.variant!r}; known: {known}")

    @property
    def random(self) -> bool:  # type: ignore[override]
        return self.variant == RANDOM

    @property
    def phases(self) -> tuple[Phase, ...]:
        variant = "positive" if self.random else self.variant
        return _scaled(VARIANTS[variant], self.beta)


@dataclass(frozen=True)
class HolomorphicPropagation(ContrastiveEstimator):
    """EP with ``points`` nudges on the circle of radius ``beta`` > 0 in the complex plane.

    For a holomorphic energy, the mean over the circle of ``(dF/dtheta) / beta_k`` with
    ``beta_k = beta exp(2 pi i k / points)``. Its bias is of order ``beta ** points`` if beta is
    below the radius of convergence of the states' series in beta. States at conjugate nudges
    are conjugate, so only one of each pair is relaxed and counts twice. Two points are the
    centered variant, one point the positive one.

    Raises:
        ValueError: beta is not positive, or there are no points.
    """

    beta: float = 0.2
    points: int = 4

    def __post_init__(self) -> None:
        _require_positive(self.beta)
        if self.points < 1:
            raise ValueError(f"EP needs a point on the circle, not {self.points}")

    @property
    def phases(self) -> tuple[Phase, ...]:
        return _scaled(_circle(self.points), self.beta)


@dataclass(frozen=True)
class StencilPropagation(ContrastiveEstimator):
    """EP with the central difference of even ``order`` n: nudges of k beta, |k| = 1, ..., n/2.

    Its bias is of order ``beta ** order``, for any energy that is smooth between the
    nudged states.

    Raises:
        ValueError: beta is not positive, or the order is not even and positive.
    """

    beta: float = 0.2
    order: int = 4

    def __post_init__(self) -> None:
        _require_positive(self.beta)
        if self.order < 2 or self.order % 2:
            raise ValueError(f"a central difference has an even order, not {self.order}")

    @property
    def phases(self) -> tuple[Phase, ...]:
        return _scaled(_stencil(self.order), self.beta)


def _require_positive(beta: float) -> None:
    if not beta > 0:
        raise ValueError(f"the nudging strength beta must be positive, not {beta}")


def _scaled(rows: tuple[Phase, ...], beta: float) -> tuple[Phase, ...]:
    return tuple(Phase(p.beta * beta, p.weight / beta) for p in rows)


def _circle(points: int) -> tuple[Phase, ...]:
    """The phases on the unit circle whose imaginary part is not negative, complex ones first."""
    if points == 1:
        return VARIANTS["positive"]
    nudges = [cmath.exp(2j * math.pi * k / points) for k in range(1, (points + 1) // 2)]
    between = [Phase(nudge, 2 / (points * nudge)) for nudge in nudges]
    ends = [1.0] if points % 2 else [1.0, -1.0]
    return (*between, *(Phase(end, 1 / (points * end)) for end in ends))


def _stencil(order: int) -> tuple[Phase, ...]:
    """The phases of the central first derivative of that order, with unit spacing."""
    half = order // 2
    rows = []
    for k in range(1, half + 1):
        weight = math.comb(2 * half, half - k) / math.comb(2 * half, half) * (-1) ** (k + 1) / k
        rows += [Phase(float(k), weight), Phase(-float(k), -weight)]
    return tuple(rows)


def _make(arguments: Arguments) -> Estimator:
    if arguments["beta"] == AUTO:
        return AutomaticEstimator(_contrast(arguments, 1.0))
    return _contrast(arguments, arguments["beta"])


def _contrast(arguments: Arguments, beta: float) -> ContrastiveEstimator:
    if arguments["points"]:
        return HolomorphicPropagation(beta, arguments["points"])
    if arguments["stencil"]:
        return StencilPropagation(beta, arguments["stencil"])
    return EquilibriumPropagation(beta, arguments["estimator"])


def _rows(arguments: Arguments) -> tuple[Phase, ...]:
    """The phases for a nudging strength of 1."""
    return _contrast(arguments, 1.0).phases


def _holomorphic(arguments: Arguments) -> bool:
    return any(isinstance(phase.beta, complex) for phase in _rows(arguments))


def _conflict(arguments: Arguments) -> tuple[str, str] | None:
    points, stencil = arguments["points"], arguments["stencil"]
    if stencil % 2:
        return f"a stencil has an even order, and this is {stencil}", "write `stencil=4`"
    if arguments["estimator"] == RANDOM and arguments["beta"] == AUTO:
        return (
            "with nudges of a random sign there is no telling bias from noise",
            "state beta, or write `estimator=positive`",
        )
    if points and stencil:
        return "`points` and `stencil` are two ways to nudge", "keep one of them"
    if (points or stencil) and arguments["estimator"] != "centered":
        which = "points" if points else "stencil"
        return f"`estimator` and `{which}` are two ways to nudge", "keep one of them"
    if _holomorphic(arguments) and arguments["nudge"] == "loss":
        return (
            f"`points={points}` nudges with complex strengths, and the loss is one of real states",
            "write `nudge=cotangent`, or `stencil=4` in the place of `points`",
        )
    return None


def _backward(arguments: Arguments, free: int, nudged: int) -> Backward:
    # A phase in complex numbers is two real ones in time and in memory.
    runs = sum(1 + isinstance(phase.beta, complex) for phase in _rows(arguments) if phase.beta != 0)
    return Backward("nudged", runs, nudged, states=runs)


def _summary(arguments: Arguments) -> str:
    # From a record of an earlier version: what it does not say is not a number.
    which = (f"{key} {arguments[key]}" for key in ("points", "stencil") if _count(arguments, key))
    return f"{next(which, arguments['estimator'])} β {arguments['beta']}"


def _count(arguments: Arguments, key: str) -> int:
    return int(arguments[key]) if str(arguments[key]).isdecimal() else 0


CONSTRUCT = EstimatorConstruct(
    "ep",
    "equilibrium propagation",
    (
        Parameter(
            "beta",
            Kind.REAL,
            "strength of the nudge; auto: measured at the start of every epoch",
            0.2,
            POSITIVE,
            choices=(AUTO,),
        ),
        Parameter(
            "estimator",
            Kind.CHOICE,
            "nudged phases at +beta and -beta, at +beta, at -beta, or at one of these drawn in "
            "every step",
            "centered",
            choices=(*VARIANTS, RANDOM),
        ),
        Parameter(
            "nudge",
            Kind.CHOICE,
            "nudge by the cotangent at the free state, or by the loss at the current state",
            "cotangent",
            choices=("cotangent", "loss"),
        ),
        Parameter(
            "points",
            Kind.INT,
            "nudges on the complex circle of radius beta, where not 0; more than 2 of them need "
            "a holomorphic energy",
            0,
            Bounds(low=0, high=64),
        ),
        Parameter(
            "stencil",
            Kind.INT,
            "order of the central difference over nudges of +-beta, +-2 beta, ..., where not 0",
            0,
            Bounds(low=0, high=16),
        ),
    ),
    equation="dC/dtheta ~ sum over k of w[k] dF/dtheta(s[b[k]]), F = E + b C relaxed to s[b]; "
    "b = beta, -beta and w = 1/2beta, -1/2beta centered; b = beta, 0 positive; b = 0, -beta "
    "negative; either of these two, random; b[k] = beta exp(2 pi i k / N), w[k] = 1 / (N b[k]) "
    "with N points; b = +-beta, +-2beta and w = +-8/12beta, -+1/12beta with stencil 4",
    source="Scellier and Bengio 2017, arXiv 1602.05179; centered: Laborieux et al. 2021, "
    "arXiv 2006.03824; random: Scellier and Bengio 2017; blocks nudged by cotangents: Nest and "
    "Ernoult 2024, arXiv 2409.03306; points: Laborieux and Zenke 2022, arXiv 2209.00530; "
    "stencils: Fornberg 1988 (Math. Comp. 51)",
    deviations=(
        "complex phases that have not settled are a status; the published code drops them and "
        "falls back to 2 points",
    ),
    make=_make,
    conflict=_conflict,
    holomorphic=_holomorphic,
    title="EP",
    backward=_backward,
    nudges=True,
    compared=lambda sweeps: {"beta": 0.2, "estimator": "centered"},
    summary=_summary,
)
