"""What a gradient estimator of an energy block takes and gives.

A block's equilibrium ``s*`` feeds a cost ``C`` per sample: either ``<cotangent, s_out>``,
with the cotangent handed down by the digital maps behind the block (Nest & Ernoult,
arXiv 2409.03306, Algorithm 1), or the loss itself. An estimator returns the gradient of
``sum over samples weight * C(s*)`` for the block's parameters and drives. Costs and
nudges are per sample; the batch reduction is in ``weight`` alone and is applied once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ffebm_dsl.physics.energy import BoundEnergy, Force, Routings, per_sample
from ffebm_dsl.physics.relaxation import Relaxation, Solution


@dataclass(frozen=True)
class PhaseSettings(Relaxation):
    """How a block relaxes in one phase.

    Attributes:
        freeze_after: keep the choices of max poolings after this many sweeps; -1: never.
        feedforward: a free phase from zero begins with one forward pass through the layers,
            which is not counted as a sweep.
    """

    freeze_after: int = -1
    feedforward: bool = False


@dataclass(frozen=True)
class Equilibrium:
    """A block after its free phase: where estimators start.

    Attributes:
        bound: the block's energy at the weights and drives of the forward pass.
        state: the free state, one tensor per layer.
        free: settings of the free phase.
        nudged: settings of the nudged phases.
        routings: the max poolings' choices, where the free phase froze them.
        force: what acts on the pre-activations in every phase, if anything does.
    """

    bound: BoundEnergy
    state: tuple[Tensor, ...]
    free: PhaseSettings
    nudged: PhaseSettings
    routings: Routings | None = None
    force: Force | None = None


class Cost(ABC):
    """A cost per sample of the block's state, with the parameters that it holds itself."""

    def parameters(self) -> list[nn.Parameter]:
        """Trainable parameters inside the cost (a readout's); none for a cotangent."""
        return []

    @abstractmethod
    def layers(self) -> frozenset[int]:
        """The layers that C depends on."""

    @abstractmethod
    def gradient(self, state: Sequence[Tensor]) -> dict[int, Tensor]:
        """``dC/ds`` per sample at ``state``, for the layers that C depends on."""

    @abstractmethod
    def stacked(self, copies: int) -> Cost:
        """The same cost for a batch in which every sample occurs ``copies`` times."""

    def parameter_gradient(self, state: Sequence[Tensor], weights: Tensor) -> list[Tensor]:
        """``sum over samples of weights * dC/d parameter``, aligned with :meth:`parameters`."""
        return []


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
    where N is ``copies`` times the batch of the targets it holds.
    """

    layer: int
    loss: Callable[[Tensor, int], Tensor]
    readout: nn.Module
    copies: int = 1

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
        return LossCost(self.layer, self.loss, self.readout, self.copies * copies)

    def parameter_gradient(self, state: Sequence[Tensor], weights: Tensor) -> list[Tensor]:
        parameters = self.parameters()
        if not parameters:
            return []
        with torch.enable_grad():
            value = (self.loss(state[self.layer].detach(), self.copies) * weights).sum()
        return list(torch.autograd.grad(value, parameters))


class GradientEstimate(NamedTuple):
    """Gradients of ``sum weight * C`` and the solves behind them.

    Attributes:
        weights: by name, as the energy's; one that is missing is zero.
        drives: aligned with the drives, (B, *drive shape) each.
        cost_parameters: aligned with ``cost.parameters()``.
        solutions: each solve under its phase's name: ``nudged`` or ``adjoint``.
    """

    weights: dict[str, Tensor]
    drives: list[Tensor]
    cost_parameters: list[Tensor]
    solutions: Mapping[str, list[Solution]] = MappingProxyType({})


class Estimator(ABC):
    """A way to differentiate a cost through a block's equilibrium."""

    @abstractmethod
    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        """The gradient of ``sum over samples weights * C(s*)``; ``weights`` is (B,)."""


def cotangents_by_layer(
    cost: Cost, state: Sequence[Tensor], weights: Tensor
) -> list[Tensor | None]:
    """``weights * dC/ds`` for every layer, None where C does not depend on the layer."""
    gradient = cost.gradient(state)
    return [
        gradient[i] * per_sample(weights, s) if i in gradient else None for i, s in enumerate(state)
    ]
