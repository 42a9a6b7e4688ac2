"""The activation ``shifted_sigmoid``."""

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


@dataclass(frozen=True)
class ShiftedSigmoid(Activation):
    """``sigma(v) = 1 / (1 + exp(-a (v - c)))``.

    ``G(s) = c s + (s log s + (1-s) log(1-s)) / a``.
    """

    holomorphic = True
    range = 0.0, 1.0

    center: float = 0.5

    def __call__(self, v: Tensor) -> Tensor:
        return logistic(self.slope * (v - self.center))

    def derivative(self, v: Tensor) -> Tensor:
        s = self(v)
        return self.slope * s * (1 - s)

    def potential(self, s: Tensor) -> Tensor:
        return self.center * s + (s.xlogy(s) + (1 - s).xlogy(1 - s)) / self.slope


CENTER = Bounds(low=-1000, high=1000)

CONSTRUCT = ActivationConstruct(
    "shifted_sigmoid",
    "1 / (1 + exp(-a (v - c)))",
    (
        replace(SLOPE, default=4.0),
        Parameter("center", Kind.REAL, "argument c at which the state is 1/2", 0.5, CENTER),
    ),
    equation="s = 1 / (1 + exp(-a (v - c))); G(s) = c s + (s log s + (1 - s) log(1 - s)) / a",
    source="with slope 4 and center 0.5 the sigmoid of Ernoult et al. 2019, arXiv 1905.13633, and "
    "of Laborieux and Zenke 2022, arXiv 2209.00530",
    make=ShiftedSigmoid,
)
