"""``circulant``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments, Fit, Misfit, OpConstruct, OpIR, Shape
from ffebm_dsl.language.registry.shapes import not_a_vector
from ffebm_dsl.physics.interfaces import LinearOp, Weights

if TYPE_CHECKING:
    from torch import Tensor, nn


class Circulant(LinearOp):
    """``y_i = sum over j of w_(i - j mod n) x_j``; weight (1, n): (B, n) to (B, n)."""

    def __init__(self, size: int) -> None:
        self.in_shape = self.out_shape = (size,)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (1, *self.in_shape)}

    def tangent(self, x: Tensor, weights: Weights) -> Tensor:
        return x @ self._matrix(weights).T

    def adjoint(self, y: Tensor, weights: Weights) -> Tensor:
        return y @ self._matrix(weights)

    def _matrix(self, weights: Weights) -> Tensor:
        import torch

        w = weights["weight"][0]
        place = torch.arange(len(w), device=w.device)
        return w[(place.unsqueeze(1) - place) % len(w)]


def _shape(arguments: Arguments, shape: Shape) -> Fit | Misfit:
    return not_a_vector("circulant", shape) or Fit(shape)


def _module(op: OpIR) -> nn.Module:
    import torch
    from torch import nn

    linear = Circulant(*op.in_shape)

    class Module(nn.Module):
        """The op in a digital map."""

        def __init__(self) -> None:
            super().__init__()
            # Drawn again by the spec's initialiser.
            shape = linear.weight_shapes()["weight"]
            self.weight = nn.Parameter(torch.randn(shape) / op.in_shape[0] ** 0.5)

        def forward(self, x: Tensor) -> Tensor:
            return linear.tangent(x, {"weight": self.weight})

    return Module()


CONSTRUCT = OpConstruct(
    "circulant",
    "circulant matrix: the circular convolution of a vector with as many weights",
    equation="y[i] = sum over j of w[(i - j) mod n] x[j]",
    source="Cheng et al. 2015, arXiv 1502.03436",
    deviations=("without the random signs that the source multiplies the input by",),
    module=_module,
    coupling=lambda op: Circulant(*op.in_shape),
    shape=_shape,
    count_parameters=lambda op: op.in_shape[0],
    count_macs=lambda op: op.in_shape[0] ** 2,
)
