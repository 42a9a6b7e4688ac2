"""The activation ``tanh``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.language.registry import ActivationConstruct

if TYPE_CHECKING:
    from ffebm_dsl.physics.energy import Activation


def _make(**arguments: Any) -> Activation:
    from ffebm_dsl.physics.energy import Tanh

    return Tanh(**arguments)


CONSTRUCT = ActivationConstruct(
    "tanh",
    "tanh(v a)",
    (SLOPE,),
    equation="s = tanh(v a); G(s) = ((1 + s) log(1 + s) + (1 - s) log(1 - s)) / (2 v)",
    make=_make,
)
