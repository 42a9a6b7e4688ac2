"""``energy resistive``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ffebm_dsl.language.registry import EnergyConstruct
from ffebm_dsl.physics.interfaces import Acceleration, Activation

if TYPE_CHECKING:
    from ffebm_dsl.physics.energy import ResistiveEnergy


def _make(*parts: Any) -> ResistiveEnergy:
    from ffebm_dsl.physics.energy import ResistiveEnergy

    return ResistiveEnergy(*parts)


def _refuses(activation: Activation) -> str:
    if not activation.quadratic:
        return "nothing in a circuit of resistors and ideal diodes bends a voltage"
    return "" if activation.slope == 1 else "the conductances on a node are its slope"


CONSTRUCT = EnergyConstruct(
    "resistive",
    "voltages of nodes behind conductances, with ideal diodes and current sources",
    equation="E(s, u) = sum over couplings of 1/2 sum_ij g_ij (a_i - b_j)^2 + sum over drives of "
    "1/2 sum_ij g_ij (u_i - s_j)^2 - sum of <bias, s>, every g >= 0; "
    "a sweep sets s_j = clip((sum_i g_ij n_i + bias_j) / sum_i g_ij), n its neighbours",
    source="Kendall et al. 2020, arXiv 2006.01981; Scellier 2024, arXiv 2402.11674",
    make=_make,
    refuses=_refuses,
    linear=True,
    nonnegative=True,
    acceleration=Acceleration.BY_RATE,
)
