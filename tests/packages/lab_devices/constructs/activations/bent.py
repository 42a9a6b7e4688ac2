"""``bent``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import ACTIVATIONS, ActivationConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE

if TYPE_CHECKING:
    from ffebm_dsl.physics.energy import Activation


def _make(slope: float) -> Activation:
    activation: Activation = ACTIVATIONS["tanh"].make(slope=slope)
    return activation


CONSTRUCT = ActivationConstruct(
    "bent",
    "a bend as measured in the lab",
    (Parameter("slope", Kind.REAL, "factor of the argument", 0.5, POSITIVE),),
    equation="tanh(slope a)",
    make=_make,
)
