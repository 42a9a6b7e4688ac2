"""``gradient coupled_learning``.

A clamped phase is the equilibrium of a network whose outputs are held. The rule is therefore the
exact gradient, at fixed clamped outputs, of the energy that clamping costs,
``(E(clamped) - E(free)) / eta``. The loss decreases along it, but it is not the gradient of the
loss: to first order in eta it is that of a cost with derivative ``H dC/do``, where H is the Hessian
by the outputs of the energy minimised over all other layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ffebm_dsl.constructs.gradients import ep
from ffebm_dsl.language.registry import Arguments, Backward, EstimatorConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE
from ffebm_dsl.physics.interfaces import ContrastiveEstimator, Phase


@dataclass(frozen=True)
class CoupledLearning(ContrastiveEstimator):
    """Coupled learning with a clamping strength of ``eta`` > 0, in one of the variants of EP.

    Raises:
        ValueError: eta is not positive, or the variant is unknown.
    """

    eta: float = 0.1
    variant: str = "centered"
    clamped: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.eta > 0:
            raise ValueError(f"the clamping strength eta must be positive, not {self.eta}")
        if self.variant not in ep.VARIANTS:
            known = ", ".join(ep.VARIANTS)
            raise ValueError(f"unknown variant {self.variant!r}; known: {known}")

    @property
    def phases(self) -> tuple[Phase, ...]:
        rows = ep.VARIANTS[self.variant]
        return tuple(Phase(p.beta * self.eta, p.weight / self.eta) for p in rows)


def _backward(arguments: Arguments, free: int, nudged: int) -> Backward:
    runs = sum(phase.beta != 0 for phase in ep.VARIANTS[arguments["estimator"]])
    return Backward("nudged", runs, nudged, states=runs)


CONSTRUCT = EstimatorConstruct(
    "coupled_learning",
    "coupled learning: phases with outputs that are held a little nearer to the target",
    (
        Parameter(
            "eta",
            Kind.REAL,
            "part of the way towards the target, or away from it",
            0.1,
            POSITIVE,
        ),
        Parameter(
            "estimator",
            Kind.CHOICE,
            "clamped phases on both sides of the free outputs, towards the target, or away",
            "centered",
            choices=tuple(ep.VARIANTS),
        ),
    ),
    equation="dtheta ~ sum over k of w[k] dE/dtheta(s[b[k]]), the outputs o held at "
    "o[0] - b dC/do, and all else at rest; of C = |o - t|^2 / 2 that is (1 - b) o[0] + b t; "
    "b = eta, -eta and w = 1/2eta, -1/2eta centered; b = eta, 0 positive; b = 0, -eta negative",
    source="Stern, Hexner, Rocks and Liu 2021, arXiv 2011.03861; negative, centered, and outputs "
    "of any cost: Scellier et al. 2023, arXiv 2312.15103",
    deviations=(
        "it is not the gradient of the loss, at any eta, but where the relaxed energy has the "
        "identity as its Hessian by the outputs: it has H dC/do in the place of dC/do",
        "centered unless told otherwise; the first of the sources clamps towards the target alone",
        "blocks are clamped by the cotangent at the free state",
    ),
    make=lambda arguments: CoupledLearning(arguments["eta"], arguments["estimator"]),
    title="coupled learning",
    backward=_backward,
    nudges=True,
    compared=lambda sweeps: {"eta": 0.1, "estimator": "centered"},
    summary=lambda arguments: f"{arguments['estimator']} η {arguments['eta']}",
)
