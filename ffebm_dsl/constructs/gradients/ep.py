"""``gradient ep``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, Backward, EstimatorConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE

if TYPE_CHECKING:
    from ffebm_dsl.physics.gradients import Estimator


def _make(arguments: Arguments) -> Estimator:
    from ffebm_dsl.physics.gradients import EquilibriumPropagation

    return EquilibriumPropagation(beta=arguments["beta"], variant=arguments["estimator"])


def _backward(arguments: Arguments, sweeps: int) -> Backward:
    runs = 2 if arguments["estimator"] == "centered" else 1
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
            choices=("centered", "positive", "negative"),
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
    make=_make,
    title="EP",
    backward=_backward,
    nudges=True,
    compared=lambda sweeps: {"beta": 0.2, "estimator": "centered"},
    summary=lambda arguments: f"{arguments['estimator']} β {arguments['beta']}",
)
