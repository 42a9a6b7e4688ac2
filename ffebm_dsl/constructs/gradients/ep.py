"""``gradient ep``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ffebm_dsl.language.registry import Arguments, Backward, EstimatorConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE
from ffebm_dsl.physics.interfaces import ContrastiveEstimator, Phase

VARIANTS: Mapping[str, tuple[Phase, ...]] = {
    "centered": (Phase(1.0, 0.5), Phase(-1.0, -0.5)),
    "positive": (Phase(1.0, 1.0), Phase(0.0, -1.0)),
    "negative": (Phase(0.0, 1.0), Phase(-1.0, -1.0)),
}
"""The phases of each variant for a nudging strength of 1."""


@dataclass(frozen=True)
class EquilibriumPropagation(ContrastiveEstimator):
    """EP with nudging strength ``beta`` > 0 in one of ``VARIANTS``.

    Raises:
        ValueError: beta not positive, or an unknown variant.
    """

    beta: float = 0.2
    variant: str = "centered"

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise ValueError(f"the nudging strength beta must be positive, not {self.beta}")
        if self.variant not in VARIANTS:
            raise ValueError(f"unknown variant {self.variant!r}; known: {', '.join(VARIANTS)}")

    @property
    def phases(self) -> tuple[Phase, ...]:
        rows = VARIANTS[self.variant]
        return tuple(Phase(p.beta * self.beta, p.weight / self.beta) for p in rows)


def _backward(arguments: Arguments, sweeps: int) -> Backward:
    runs = sum(phase.beta != 0 for phase in VARIANTS[arguments["estimator"]])
    return Backward("nudged", runs, sweeps, states=runs)


CONSTRUCT = EstimatorConstruct(
    "ep",
    "equilibrium propagation",
    (
        Parameter("beta", Kind.REAL, "strength of the nudge", 0.2, POSITIVE),
        Parameter(
            "estimator",
            Kind.CHOICE,
            "nudged phases at +beta and -beta, at +beta, or at -beta",
            "centered",
            choices=tuple(VARIANTS),
        ),
        Parameter(
            "nudge",
            Kind.CHOICE,
            "nudge by the cotangent at the free state, or by the loss at the current state",
            "cotangent",
            choices=("cotangent", "loss"),
        ),
    ),
    equation="dC/dtheta ~ (dF/dtheta(s[b1]) - dF/dtheta(s[b2])) / (b1 - b2), F = E + b C relaxed "
    "to s[b]; (b1, b2) = (beta, -beta) centered, (beta, 0) positive, (0, -beta) negative",
    source="Scellier and Bengio 2017, arXiv 1602.05179; centered: Laborieux et al. 2021, "
    "arXiv 2006.03824; blocks nudged by cotangents: Nest and Ernoult 2024, arXiv 2409.03306",
    make=lambda a: EquilibriumPropagation(a["beta"], a["estimator"]),
    title="EP",
    backward=_backward,
    nudges=True,
    compared=lambda sweeps: {"beta": 0.2, "estimator": "centered"},
    summary=lambda arguments: f"{arguments['estimator']} β {arguments['beta']}",
)
