"""The activation ``leaky_relu``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.language.registry import ActivationConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import Bounds
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LeakyRelu(Activation):
    """``sigma(v) = a v`` above 0, ``n a v`` below; ``G(s) = s^2 / 2a`` and ``s^2 / 2na``."""

    negative_slope: float = 0.01

    def __call__(self, v: Tensor) -> Tensor:
        from torch.nn import functional as F

        return F.leaky_relu(self.slope * v, self.negative_slope)

    def derivative(self, v: Tensor) -> Tensor:
        above = (v > 0).to(v.dtype)
        return self.slope * (above + self.negative_slope * (1 - above))

    def potential(self, s: Tensor) -> Tensor:
        import torch

        square = s.square() / (2 * self.slope)
        return torch.where(s > 0, square, square / self.negative_slope)

    def kink_distance(self, v: Tensor) -> Tensor:
        return v.abs()

    def crossed(self, s: Tensor, other: Tensor) -> Tensor:
        return (s > 0) != (other > 0)


CONSTRUCT = ActivationConstruct(
    "leaky_relu",
    "a v where v is positive, else a v times a small slope",
    (
        Parameter(
            "negative_slope",
            Kind.REAL,
            "slope below 0, as a part of the slope above",
            0.01,
            Bounds(low=0, high=1, open_low=True),
        ),
        SLOPE,
    ),
    equation="s = max(a v, 0) + negative_slope min(a v, 0); G(s) = s^2 / (2 a) for s >= 0, "
    "s^2 / (2 a negative_slope) below",
    source="Maas, Hannun and Ng 2013 (ICML workshop on deep learning for audio, speech and "
    "language processing)",
    make=LeakyRelu,
)
