"""The activation ``relu``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.language.registry import ActivationConstruct
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor


class Relu(Activation):
    """``sigma(v) = max(a v, 0)``; ``G(s) = s^2 / 2a`` on [0, inf)."""

    quadratic = True
    clip = 0.0, math.inf

    def __call__(self, v: Tensor) -> Tensor:
        return (v if self.slope == 1.0 else self.slope * v).relu()

    def overwrite(self, v: Tensor) -> Tensor:
        return (v if self.slope == 1.0 else v.mul_(self.slope)).relu_()

    def derivative(self, v: Tensor) -> Tensor:
        return self.slope * (v > 0).to(v.dtype)

    def potential(self, s: Tensor) -> Tensor:
        return s.square() / (2 * self.slope)


CONSTRUCT = ActivationConstruct(
    "relu",
    "max(a v, 0)",
    (SLOPE,),
    equation="s = max(a v, 0); G(s) = s^2 / (2 a) for s >= 0",
    make=Relu,
)
