"""The activation ``identity``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import ActivationConstruct
from ffebm_dsl.physics.interfaces import Activation

if TYPE_CHECKING:
    from torch import Tensor


class Identity(Activation):
    """``sigma(v) = a v``; ``G(s) = s^2 / 2a``."""

    holomorphic = True
    quadratic = True

    def __call__(self, v: Tensor) -> Tensor:
        return v if self.slope == 1.0 else self.slope * v

    def overwrite(self, v: Tensor) -> Tensor:
        return v if self.slope == 1.0 else v.mul_(self.slope)

    def derivative(self, v: Tensor) -> Tensor:
        import torch

        return torch.full_like(v, self.slope)

    def potential(self, s: Tensor) -> Tensor:
        return s.square() / (2 * self.slope)


CONSTRUCT = ActivationConstruct(
    "identity",
    "v",
    equation="s = v; G(s) = s^2 / 2",
    make=Identity,
)
