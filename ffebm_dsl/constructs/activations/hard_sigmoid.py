"""The activation ``hard_sigmoid``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.language.registry import ActivationConstruct

if TYPE_CHECKING:
    from ffebm_dsl.physics.energy import Activation


def _make(**arguments: Any) -> Activation:
    from ffebm_dsl.physics.energy import HardSigmoid

    return HardSigmoid(**arguments)


CONSTRUCT = ActivationConstruct(
    "hard_sigmoid",
    "clamp(v a, 0, 1)",
    (SLOPE,),
    equation="s = min(max(v a, 0), 1); G(s) = s^2 / (2 v) on [0, 1]",
    make=_make,
)
