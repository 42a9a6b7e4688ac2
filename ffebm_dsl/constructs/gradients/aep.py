"""``gradient aep``: equilibrium propagation for couplings whose way back has its own weights.

If the pre-activations v do not derive from an energy, the response of the states to a nudge
involves ``J = dv/ds`` where the gradient needs its transpose. In its nudged phases AEP applies the
transpose to the displacement from the free state, which is then, to first order in beta, the
response for which implicit differentiation solves::

    s <- sigma(v(s_free) + J^T (s - s_free) - beta c)
    dC/dtheta ~ -(1/beta) <s - s_free, dv/dtheta at the free state>

For linear ops this is the published dynamics, which adds ``(J^T - J) (s - s_free)`` to v(s).
``J^T`` is never formed: each coupling applies the transpose of its opposite direction.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from ffebm_dsl.constructs.gradients import ep
from ffebm_dsl.language.registry import Arguments
from ffebm_dsl.physics.interfaces import AutomaticEstimator, ContrastiveEstimator, Estimator, Phase


@dataclass(frozen=True)
class AsymmetricPropagation(ContrastiveEstimator):
    """AEP with the phases of ``plain``, an EP estimator."""

    plain: ContrastiveEstimator = field(default_factory=ep.EquilibriumPropagation)
    transposed: ClassVar[bool] = True

    @property
    def random(self) -> bool:  # type: ignore[override]
        return self.plain.random

    @property
    def phases(self) -> tuple[Phase, ...]:
        return self.plain.phases


def _make(arguments: Arguments) -> Estimator:
    plain = ep.CONSTRUCT.make(arguments)
    if isinstance(plain, AutomaticEstimator):
        return replace(plain, contrast=AsymmetricPropagation(plain.contrast))
    return AsymmetricPropagation(plain)


CONSTRUCT = replace(
    ep.CONSTRUCT,
    name="aep",
    doc="equilibrium propagation for asymmetric couplings",
    equation="dC/dtheta ~ -<sum over k of w[k] s[b[k]], dv/dtheta at s[0]>, s[b] = sigma(v(s[0]) + "
    "J^T (s[b] - s[0]) - b dC/ds), J = dv/ds at the free state s[0]; b and w as in ep",
    source="Scurria and Massar 2026, arXiv 2602.03670",
    deviations=(
        "J is taken at the free state, so that max pooling keeps its choices there in nudged "
        "phases; for linear ops the dynamics are those of the source",
        "the transpose acts coupling by coupling: no Jacobian is formed",
    ),
    make=_make,
    title="AEP",
    any_couplings=True,
    keeps_routing=True,
)
