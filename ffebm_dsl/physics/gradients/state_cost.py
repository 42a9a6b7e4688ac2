"""Costs of a block's state: a cotangent or the loss itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.interfaces import Cost, per_sample


@dataclass(frozen=True)
class LinearCost(Cost):
    """``C(s) = <cotangent, s>``: cotangents per output layer, (B, *layer shape)."""

    cotangents: dict[int, Tensor]

    def layers(self) -> frozenset[int]:
        return frozenset(self.cotangents)

    def gradient(self, state: Sequence[Tensor]) -> dict[int, Tensor]:
        return self.cotangents

    def stacked(self, copies: int) -> LinearCost:
        return LinearCost({i: torch.cat([c] * copies) for i, c in self.cotangents.items()})


@dataclass(frozen=True)
class LossCost(Cost):
    """The loss itself as the cost of one output layer (``nudge=loss``).

    ``loss`` maps the state of ``layer``, (N, *layer shape), to a loss per sample, (N,),
    where N is ``copies`` times the batch of the targets it holds. ``second`` is its
    :meth:`curvature`.
    """

    layer: int
    loss: Callable[[Tensor, int], Tensor]
    readout: nn.Module
    copies: int = 1
    second: float = 0.0

    def parameters(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.readout.parameters() if parameter.requires_grad]

    def layers(self) -> frozenset[int]:
        return frozenset({self.layer})

    def gradient(self, state: Sequence[Tensor]) -> dict[int, Tensor]:
        with torch.enable_grad():
            s = state[self.layer].detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.loss(s, self.copies).sum(), s)
        return {self.layer: gradient}

    def stacked(self, copies: int) -> LossCost:
        return replace(self, copies=self.copies * copies)

    def curvature(self, layer: int) -> float:
        return self.second if layer == self.layer else 0.0

    def parameter_gradient(self, state: Sequence[Tensor], weights: Tensor) -> list[Tensor]:
        parameters = self.parameters()
        if not parameters:
            return []
        with torch.enable_grad():
            value = (self.loss(state[self.layer].detach(), self.copies) * weights).sum()
        return list(torch.autograd.grad(value, parameters))


def cotangents_by_layer(
    cost: Cost, state: Sequence[Tensor], weights: Tensor
) -> list[Tensor | None]:
    """``weights * dC/ds`` for every layer, None where C does not depend on the layer."""
    gradient = cost.gradient(state)
    return [
        gradient[i] * per_sample(weights, s) if i in gradient else None for i, s in enumerate(state)
    ]
