"""The activation ``softplus``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.activations._slope import SLOPE
from ffebm_dsl.language.registry import ActivationConstruct
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor

TERMS = 56
"""Of the dilogarithm's series; at arguments up to 1/2 the rest is rounding."""


class Softplus(Activation):
    """``sigma(v) = log(1 + exp(a v))``; ``G(s) = (s^2 / 2 + Li2(exp(-s))) / a`` for s >= 0."""

    range = 0.0, math.inf

    def __call__(self, v: Tensor) -> Tensor:
        from torch.nn import functional as F

        return F.softplus(self.slope * v)

    def derivative(self, v: Tensor) -> Tensor:
        return self.slope * (self.slope * v).sigmoid()

    def potential(self, s: Tensor) -> Tensor:
        import torch

        z, rest = (-s).exp(), -(-s).expm1()
        # Euler's reflection brings arguments near 1 to small ones.
        near_one = math.pi**2 / 6 + torch.xlogy(s, rest) - _dilogarithm(rest)
        return (s.square() / 2 + torch.where(z > 0.5, near_one, _dilogarithm(z))) / self.slope


def _dilogarithm(z: Tensor) -> Tensor:
    """``Li2(z) = sum of z^k / k^2`` for z in [0, 1/2]."""
    total = z / TERMS**2
    for k in range(TERMS - 1, 0, -1):
        total = (total + 1 / k**2) * z
    return total


CONSTRUCT = ActivationConstruct(
    "softplus",
    "log(1 + exp(a v))",
    (SLOPE,),
    equation="s = log(1 + exp(a v)); G(s) = (s^2 / 2 + Li2(exp(-s))) / a for s >= 0, Li2 the "
    "dilogarithm",
    make=Softplus,
)
