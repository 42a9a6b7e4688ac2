"""The activation ``hard_sigmoid``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.language.registry import ActivationConstruct
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor


class HardSigmoid(Activation):
    """``sigma(v) = clamp(a v, 0, 1)``; ``G(s) = s^2 / 2a`` on [0, 1]."""

    quadratic = True
    clip = 0.0, 1.0

    def __call__(self, v: Tensor) -> Tensor:
        return (v if self.slope == 1.0 else self.slope * v).clamp(0.0, 1.0)

    def overwrite(self, v: Tensor) -> Tensor:
        return (v if self.slope == 1.0 else v.mul_(self.slope)).clamp_(0.0, 1.0)

    def derivative(self, v: Tensor) -> Tensor:
        u = self.slope * v
        return self.slope * ((u >= 0) & (u <= 1)).to(v.dtype)

    def potential(self, s: Tensor) -> Tensor:
        return s.square() / (2 * self.slope)


CONSTRUCT = ActivationConstruct(
    "hard_sigmoid",
    "clamp(a v, 0, 1)",
    (SLOPE,),
    equation="s = min(max(a v, 0), 1); G(s) = s^2 / (2 a) on [0, 1]",
    make=HardSigmoid,
)
