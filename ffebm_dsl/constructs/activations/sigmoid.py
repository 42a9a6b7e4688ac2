"""The activation ``sigmoid``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.language.registry import ActivationConstruct

if TYPE_CHECKING:
    from ffebm_dsl.physics.energy import Activation


def _make(**arguments: Any) -> Activation:
    from ffebm_dsl.physics.energy import Sigmoid

    return Sigmoid(**arguments)


CONSTRUCT = ActivationConstruct(
    "sigmoid",
    "1 / (1 + exp(-v a))",
    (SLOPE,),
    equation="s = 1 / (1 + exp(-v a)); G(s) = (s log s + (1 - s) log(1 - s)) / v",
    make=_make,
)
