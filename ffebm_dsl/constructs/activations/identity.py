"""The activation ``identity``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ffebm_dsl.language.registry import ActivationConstruct

if TYPE_CHECKING:
    from ffebm_dsl.physics.energy import Activation


def _make(**arguments: Any) -> Activation:
    from ffebm_dsl.physics.energy import Identity

    return Identity(**arguments)


CONSTRUCT = ActivationConstruct(
    "identity",
    "a",
    equation="s = a; G(s) = s^2 / 2",
    make=_make,
)
