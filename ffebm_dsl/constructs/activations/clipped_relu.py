"""The activation ``clipped_relu``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.language.registry import ActivationConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import POSITIVE
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ClippedRelu(Activation):
    """``sigma(v) = clamp(a v, 0, max)``; ``G(s) = s^2 / 2a`` on [0, max]."""

    max: float = 6.0

    quadratic = True

    def __call__(self, v: Tensor) -> Tensor:
        return (self.slope * v).clamp(0.0, self.max)

    def overwrite(self, v: Tensor) -> Tensor:
        return v.mul_(self.slope).clamp_(0.0, self.max)

    def derivative(self, v: Tensor) -> Tensor:
        u = self.slope * v
        return self.slope * ((u >= 0) & (u <= self.max)).to(v.dtype)

    def potential(self, s: Tensor) -> Tensor:
        return s.square() / (2 * self.slope)

    @property
    def clip(self) -> tuple[float, float]:
        return 0.0, self.max


CONSTRUCT = ActivationConstruct(
    "clipped_relu",
    "clamp(a v, 0, max)",
    (Parameter("max", Kind.REAL, "largest state", 6.0, POSITIVE), SLOPE),
    equation="s = min(max(a v, 0), max); G(s) = s^2 / (2 a) on [0, max]",
    source="with max = 6, the ReLU6 of Krizhevsky 2010 (Convolutional deep belief networks on "
    "CIFAR-10)",
    make=ClippedRelu,
)
