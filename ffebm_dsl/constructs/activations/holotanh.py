"""The activation ``holotanh``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.constructs.activations.sigmoid import logistic
from ffebm_dsl.language.registry import ActivationConstruct, Kind, Parameter
from ffebm_dsl.language.registry.parameters import Bounds
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor

DIP = 0.2784645427610738
"""W(1/e): the least value of ``silu(x) = x / (1 + exp(-x))`` is -W(1/e)."""

STEEPEST = 1.2
"""Above the largest slope of silu, 1.09984, less the least, -0.09984."""


@dataclass(frozen=True)
class Holotanh(Activation):
    """``sigma(v) = (silu(b z) - silu(b (z - 1))) / b`` with ``z = a v``, a smooth hard sigmoid.

    It is ``z`` in the middle, 0 and 1 at the ends, with the sharper corners the larger
    ``b = sharpness`` is. On its way from 0 at the far left it dips below 0, and as much above 1 on
    the right, so that it has no inverse.
    """

    holomorphic = True
    invertible = False

    sharpness: float = 2.0

    def __call__(self, v: Tensor) -> Tensor:
        import torch

        z = self.slope * v
        right, near = self._folded(z)
        low = near * logistic(self.sharpness * near)
        s = low - (near - 1) * logistic(self.sharpness * (near - 1))
        return torch.where(right, 1 - s, s)

    def derivative(self, v: Tensor) -> Tensor:
        _, near = self._folded(self.slope * v)
        ahead, behind = (self._silu_slope(self.sharpness * x) for x in (near, near - 1))
        return self.slope * (ahead - behind)

    def potential(self, s: Tensor) -> Tensor:
        """There is none.

        Raises:
            TypeError: always.
        """
        raise TypeError("holotanh takes some values twice, so that no potential belongs to it")

    @property
    def steepness(self) -> float:
        return STEEPEST * self.slope

    @property
    def range(self) -> tuple[float, float]:
        """Bounds, which the values come near where the sharpness is large."""
        return -DIP / self.sharpness, 1 + DIP / self.sharpness

    def _folded(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Which ``z`` are right of 1/2, and z with those mirrored, ``sigma(1 - z) = 1 - sigma(z)``.

        Far to the right the difference of two large numbers would leave rounding alone.
        """
        import torch

        right = z.real > 0.5
        return right, torch.where(right, 1 - z, z)

    @staticmethod
    def _silu_slope(x: Tensor) -> Tensor:
        share = logistic(x)
        return share * (1 + x * (1 - share))


CONSTRUCT = ActivationConstruct(
    "holotanh",
    "a smooth clamp(a v, 0, 1)",
    (
        replace(SLOPE, default=0.5),
        Parameter(
            "sharpness",
            Kind.REAL,
            "b: how sharp the corners are",
            2.0,
            Bounds(low=0.1, high=10),
        ),
    ),
    equation="s = z / (1 + exp(-b z)) + (1 - z) / (1 + exp(-b (z - 1))), z = a v; it has no "
    "inverse, and so no G(s)",
    source="Laborieux and Zenke 2022, arXiv 2209.00530; the defaults are those of its "
    "convolutional networks",
    make=Holotanh,
)
