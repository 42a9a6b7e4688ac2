"""``energy hopfield``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ffebm_dsl.language.registry import EnergyConstruct
from ffebm_dsl.physics.interfaces import Acceleration, Activation, layer_weights

if TYPE_CHECKING:
    from ffebm_dsl.physics.energy import HopfieldEnergy


def _make(*parts: Any) -> HopfieldEnergy:
    from ffebm_dsl.physics.energy import HopfieldEnergy

    return HopfieldEnergy(*parts)


def _refuses(activation: Activation) -> str:
    return "angles are states of `energy oscillator` alone" if activation.periodic else ""


CONSTRUCT = EnergyConstruct(
    "hopfield",
    "G(s) - phi(s, x), phi the sum of couplings, drives and biases",
    equation="E(s, x) = sum over layers of w_i [G(s_i) - <drives, s_i>] - sum over couplings of "
    "w_j <A(s_i), s_j>; a sweep sets s_i = sigma_i((d phi / d s_i) / w_i). The layer weights w are "
    "1, but w_j = k w_i across a coupling with feedback k",
    source="Hopfield 1984 (PNAS 81); in blocks driven by digital maps: Nest and Ernoult 2024, "
    "arXiv 2409.03306",
    make=_make,
    feedback=layer_weights,
    refuses=_refuses,
    holomorphic=True,
    terms=True,
    acceleration=Acceleration.BY_RATE,
)
