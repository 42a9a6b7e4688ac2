"""The activation ``tanh``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.language.registry import ActivationConstruct
from ffebm_dsl.physics.complex_functions import tanh
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor


class Tanh(Activation):
    """``sigma(v) = tanh(a v)``; ``G(s) = ((1+s) log(1+s) + (1-s) log(1-s)) / 2a``."""

    holomorphic = True
    range = -1.0, 1.0

    def __call__(self, v: Tensor) -> Tensor:
        return tanh(self.slope * v)

    def overwrite(self, v: Tensor) -> Tensor:
        v = v.mul_(self.slope)
        return tanh(v) if v.is_complex() else v.tanh_()

    def derivative(self, v: Tensor) -> Tensor:
        return self.slope * (1 - tanh(self.slope * v).square())

    def potential(self, s: Tensor) -> Tensor:
        up, down = 1 + s, 1 - s
        return (up.xlogy(up) + down.xlogy(down)) / (2 * self.slope)


CONSTRUCT = ActivationConstruct(
    "tanh",
    "tanh(a v)",
    (SLOPE,),
    equation="s = tanh(a v); G(s) = ((1 + s) log(1 + s) + (1 - s) log(1 - s)) / (2 a)",
    make=Tanh,
)
