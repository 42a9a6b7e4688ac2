"""The activation ``sigmoid``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.language.registry import ActivationConstruct
from ffebm_dsl.physics.complex_functions import tanh
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor


def logistic(x: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``, which for complex numbers torch's own overflows far to the left."""
    return 0.5 + 0.5 * tanh(0.5 * x) if x.is_complex() else x.sigmoid()


class Sigmoid(Activation):
    """``sigma(v) = 1 / (1 + exp(-a v))``; ``G(s) = (s log s + (1-s) log(1-s)) / a``."""

    holomorphic = True
    range = 0.0, 1.0

    def __call__(self, v: Tensor) -> Tensor:
        return logistic(self.slope * v)

    def overwrite(self, v: Tensor) -> Tensor:
        v = v.mul_(self.slope)
        return logistic(v) if v.is_complex() else v.sigmoid_()

    @property
    def steepness(self) -> float:
        return self.slope / 4

    def derivative(self, v: Tensor) -> Tensor:
        s = (self.slope * v).sigmoid()
        return self.slope * s * (1 - s)

    def potential(self, s: Tensor) -> Tensor:
        return (s.xlogy(s) + (1 - s).xlogy(1 - s)) / self.slope


CONSTRUCT = ActivationConstruct(
    "sigmoid",
    "1 / (1 + exp(-a v))",
    (SLOPE,),
    equation="s = 1 / (1 + exp(-a v)); G(s) = (s log s + (1 - s) log(1 - s)) / a",
    make=Sigmoid,
)
