"""The activation ``angle``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import ActivationConstruct, Kind, Parameter
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Angle(Activation):
    """``sigma(v) = v``, ``G(s) = s^2 / 2``: the state is an angle in radians.

    ``harmonic`` is K of the term ``-K/2 cos(2 s)`` of an oscillator's energy.
    """

    periodic = True

    harmonic: float = 0.0

    def __call__(self, v: Tensor) -> Tensor:
        return v

    def derivative(self, v: Tensor) -> Tensor:
        import torch

        return torch.ones_like(v)

    def potential(self, s: Tensor) -> Tensor:
        return s.square() / 2


CONSTRUCT = ActivationConstruct(
    "angle",
    "angles of oscillators, in `energy oscillator`",
    (
        Parameter(
            "harmonic",
            Kind.REAL,
            "strength K of the second harmonic, which favours 0 and pi where above 0",
            0.0,
        ),
    ),
    equation="the states of a layer are angles in radians; E has - K/2 sum over j of cos(2 s[j])",
    make=lambda harmonic=0.0: Angle(harmonic=harmonic),
)
