"""``gradient four_point``."""

from __future__ import annotations

from dataclasses import dataclass

from ffebm_dsl.language.registry import Backward, EstimatorConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE
from ffebm_dsl.physics.interfaces import ContrastiveEstimator, Phase


@dataclass(frozen=True)
class FourPoint(ContrastiveEstimator):
    """EP with nudges of +-beta and +-3 beta, beta > 0; its bias is of order beta^4.

    The nudges are equally spaced, unlike those of ``ep(stencil=4)``, which have a gap of two at 0.
    """

    beta: float = 0.2

    @property
    def phases(self) -> tuple[Phase, ...]:
        stencil = ((1, 27), (-1, -27), (3, -1), (-3, 1))
        return tuple(Phase(k * self.beta, weight / (48 * self.beta)) for k, weight in stencil)


CONSTRUCT = EstimatorConstruct(
    "four_point",
    "equilibrium propagation with a fourth-order difference of equally spaced nudges",
    (Parameter("beta", Kind.REAL, "strength of the weaker nudges", 0.2, POSITIVE),),
    equation="dC/dtheta ~ (27 D(b) - D(3b)) / 48b, D(b) = dF/dtheta(s[b]) - dF/dtheta(s[-b]), "
    "F = E + b C relaxed to s[b]",
    source="the stencil: Fornberg 1988 (Math. Comp. 51)",
    make=lambda arguments: FourPoint(**arguments),
    title="EP, four points",
    backward=lambda arguments, free, nudged: Backward("nudged", 4, nudged, states=4),
    nudges=True,
    compared=lambda sweeps: {"beta": 0.2},
    summary=lambda arguments: f"β {arguments['beta']}",
)
