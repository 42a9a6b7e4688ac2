"""The activation ``relu``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.language.registry import ActivationConstruct

if TYPE_CHECKING:
    from ffebm_dsl.physics.energy import Activation


def _make(**arguments: Any) -> Activation:
    from ffebm_dsl.physics.energy import Relu

    return Relu(**arguments)


CONSTRUCT = ActivationConstruct(
    "relu",
    "max(v a, 0)",
    (SLOPE,),
    equation="s = max(v a, 0); G(s) = s^2 / (2 v) for s >= 0",
    make=_make,
)
