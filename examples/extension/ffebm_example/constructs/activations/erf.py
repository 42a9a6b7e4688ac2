"""The activation ``erf``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import ActivationConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Erf(Activation):
    """``sigma(v) = h erf(sqrt(pi)/2 a v / h)``, between -h and h, of slope a at 0.

    Its potential is ``G(s) = -2 h^2 exp(-erfinv(s / h)^2) / (pi a)``.
    """

    height: float = 1.0

    def __call__(self, v: Tensor) -> Tensor:
        return self.height * self._argument(v).erf()

    def derivative(self, v: Tensor) -> Tensor:
        return self.slope * (-self._argument(v).square()).exp()

    def potential(self, s: Tensor) -> Tensor:
        inverse = (s / self.height).erfinv()
        return -2 * self.height**2 / (math.pi * self.slope) * (-inverse.square()).exp()

    @property
    def range(self) -> tuple[float, float]:
        return -self.height, self.height

    def _argument(self, v: Tensor) -> Tensor:
        return math.sqrt(math.pi) / 2 * self.slope * v / self.height


CONSTRUCT = ActivationConstruct(
    "erf",
    "h erf(sqrt(pi)/2 a v / h)",
    (
        Parameter("slope", Kind.REAL, "factor a of the argument", 1.0, POSITIVE),
        Parameter("height", Kind.REAL, "largest state h", 1.0, POSITIVE),
    ),
    equation="s = h erf(sqrt(pi)/2 a v / h); G(s) = -2 h^2 exp(-erfinv(s / h)^2) / (pi a)",
    make=Erf,
)
