"""``energy oscillator``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ffebm_dsl.language.registry import EnergyConstruct
from ffebm_dsl.physics.interfaces import Acceleration, Activation

if TYPE_CHECKING:
    from ffebm_dsl.physics.energy import OscillatorEnergy


def _make(*parts: Any) -> OscillatorEnergy:
    from ffebm_dsl.physics.energy import OscillatorEnergy

    return OscillatorEnergy(*parts)


def _refuses(activation: Activation) -> str:
    # Linear between its kinks, and without any.
    identity = activation.quadratic and activation.holomorphic and activation.slope == 1
    if activation.periodic or identity:
        return ""
    return "the states of oscillators are angles: use `angle`"


CONSTRUCT = EnergyConstruct(
    "oscillator",
    "angles of oscillators that are coupled by the cosines of their differences",
    equation="E(s, u) = - sum over couplings of sum_ij J_ij cos(a_i - b_j) - sum over drives and "
    "biases of sum_j h_j cos(s_j) - 1/2 sum of K cos(2 s_j); from pi/2, a sweep is "
    "s_j <- s_j - (dE/ds_j) / (|sum_i J_ij exp(i a_i) + h_j| + 2 |K|)",
    source="Wang and Roychowdhury 2019, arXiv 1903.07163; trained by EP: Gower 2025, "
    "arXiv 2505.02103",
    deviations=(
        "K is a constant of a layer; the published code has one for each oscillator",
        "layer by layer, by steps that never raise the energy, not phases in continuous time",
    ),
    make=_make,
    refuses=_refuses,
    linear=True,
    acceleration=Acceleration.STEPWISE,
)
