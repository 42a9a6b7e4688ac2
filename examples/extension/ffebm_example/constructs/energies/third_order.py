"""``energy third_order``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ffebm_dsl.language.registry import EnergyConstruct

if TYPE_CHECKING:
    from ffebm_example.constructs.energies._third_order import ThirdOrderEnergy


def _make(*parts: Any) -> ThirdOrderEnergy:
    from ffebm_example.constructs.energies._third_order import ThirdOrderEnergy

    return ThirdOrderEnergy(*parts)


CONSTRUCT = EnergyConstruct(
    "third_order",
    "pairwise couplings, and products of three states with the same weights",
    equation="E(s, x) = sum over layers of G(s_i) - sum over couplings of <A(s_i) + A(s_i)^2 / 2, "
    "s_j> - sum over drives of <u, s_i>; a sweep sets s_i = sigma_i(d phi / d s_i)",
    source="products of more than two states: Sejnowski 1986 (AIP Conf. Proc. 151)",
    deviations=("one set of weights for pairs and triples, and continuous states",),
    make=_make,
)
