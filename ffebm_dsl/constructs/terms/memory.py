"""``memory``."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Kind, Parameter, TermConstruct
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE
from ffebm_dsl.physics.interfaces import Term, Weights

if TYPE_CHECKING:
    from torch import Tensor


class Memory(Term):
    """Rectified memories for the vectors of a layer; weight (memories, width)."""

    def __init__(self, shape: tuple[int, ...], memories: int) -> None:
        self.shape, self.memories = shape, memories

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.memories, self.shape[-1])}

    def phi(self, s: Tensor, weights: Weights) -> Tensor:
        return (s @ weights["weight"].t()).relu().square().flatten(1).sum(1) / 2

    def force(self, s: Tensor, weights: Weights) -> Tensor:
        return (s @ weights["weight"].t()).relu() @ weights["weight"]

    def product(self, s: Tensor, w: Tensor, weights: Weights) -> Tensor:
        active = s @ weights["weight"].t() > 0
        return (active * (w @ weights["weight"].t())) @ weights["weight"]

    def curvature(self, weights: Weights) -> Tensor:
        # A square of what is positive and linear is convex.
        return weights["weight"].new_zeros(())


def _parameters(memories: int, shape: tuple[int, ...]) -> int:
    return memories * shape[-1]


CONSTRUCT = TermConstruct(
    "memory",
    "an associative memory of vectors: of a layer that is one, or of every token",
    (Parameter("memories", Kind.INT, "number of memories", bounds=AT_LEAST_ONE),),
    equation="phi(s) = 1/2 sum over tokens j and memories k of relu(<w_k, s_j>)^2",
    source="Krotov and Hopfield 2016, arXiv 1606.01164; beside attention: Hoover et al. 2023, "
    "arXiv 2302.07253",
    deviations=("the factor 1/2, which published code of energy transformers leaves out",),
    make=lambda arguments, shape: Memory(shape, arguments["memories"]),
    count_parameters=lambda arguments, shape: _parameters(arguments["memories"], shape),
    # Each memory meets each token twice: in its product, and in what comes back.
    count_macs=lambda arguments, shape: 2 * arguments["memories"] * prod(shape),
    ranks=(1, 2),
    outgrows=True,
)
