"""``unit_bias``."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import TermConstruct
from ffebm_dsl.physics.interfaces import Term, Weights

if TYPE_CHECKING:
    from torch import Tensor


class UnitBias(Term):
    """``<bias, s>``; one number for each unit, so that each token has a bias of its own."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"bias": self.shape}

    def phi(self, s: Tensor, weights: Weights) -> Tensor:
        return (s * weights["bias"]).flatten(1).sum(1)

    def force(self, s: Tensor, weights: Weights) -> Tensor:
        return weights["bias"].expand_as(s)

    def product(self, s: Tensor, w: Tensor, weights: Weights) -> Tensor:
        return w.new_zeros(w.shape)

    def curvature(self, weights: Weights) -> Tensor:
        return weights["bias"].new_zeros(())


CONSTRUCT = TermConstruct(
    "unit_bias",
    "a bias of its own for every unit of a layer: of tokens, a bias by position",
    equation="phi(s) = <bias, s>, zero at first",
    make=lambda arguments, shape: UnitBias(shape),
    count_parameters=lambda arguments, shape: prod(shape),
)
