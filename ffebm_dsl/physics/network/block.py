"""An energy block as an ordinary torch module whose backward pass is physics.

``forward`` runs the free phase without a graph and returns the equilibrium state of the
output layers. In the backward pass the block's estimator turns the cotangents of those
outputs into gradients for its parameters and its drives, by further relaxation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.autocast_mode import is_autocast_available
from torch.autograd.function import once_differentiable

from ffebm_dsl.physics.energy import (
    HopfieldDynamics,
    HopfieldEnergy,
    Routing,
    Routings,
)
from ffebm_dsl.physics.gradients import (
    Cost,
    Equilibrium,
    Estimator,
    GradientEstimate,
    LinearCost,
    LossCost,
)
from ffebm_dsl.physics.relaxation import Relaxation, Solution, forward_pass, relax

REDUCTIONS = ("mean", "sum")


class LossScale:
    """By what factor the loss under differentiation exceeds the reduced loss.

    A block nudges with cotangents of the *per-sample* loss. Whatever multiplies the loss
    behind it (a gradient scaler, gradient accumulation) reaches the block multiplied into
    its cotangents and must not change beta, so it is divided out before the nudged phases
    and multiplied back afterwards. :meth:`tie` reads the factor off the loss itself.
    """

    def __init__(self, value: float = 1.0) -> None:
        self.value: Tensor | float = value

    def tie(self, loss: Tensor) -> Tensor:
        """The same 0-dim loss; its backward pass notes the factor before any block runs."""
        return _Tie.apply(loss, self)


@dataclass(frozen=True)
class PhaseReport:
    """How one relaxation of one block went, sample by sample.

    ``phase`` is ``free``, ``nudged`` (one report for each sign of beta) or ``adjoint``;
    ``residual``, ``sweeps`` and ``status`` are those of the ``Solution``, (B,).
    ``state`` and the ``routings`` that were frozen are kept only where the block's
    ``keep_states`` is set.
    """

    block: str
    phase: str
    residual: Tensor
    sweeps: Tensor
    status: Tensor
    state: tuple[Tensor, ...] | None = None
    routings: Routings | None = None


class EnergyBlock(nn.Module):
    """A Hopfield energy with its relaxation, its outputs and its gradient estimator.

    Args:
        energy: layers, couplings and drives; the drives are the arguments of ``forward``.
        outputs: indices of the layers whose states the block returns.
        free: settings of the free phase.
        nudged: settings of the nudged phases.
        estimator: how gradients are taken; may be replaced at any time.
        reduction: how the loss behind the block joins samples: ``mean`` or ``sum``. Part
            of the block's contract, for the nudge must feel the per-sample cotangent.
        name: what reports call the block.

    Raises:
        ValueError: an unknown reduction.
    """

    def __init__(
        self,
        energy: HopfieldEnergy,
        outputs: Sequence[int],
        free: Relaxation,
        nudged: Relaxation,
        estimator: Estimator,
        *,
        reduction: str = "mean",
        name: str = "block",
    ) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(f"unknown reduction {reduction!r}; known: {', '.join(REDUCTIONS)}")
        self.energy = energy
        self.outputs = tuple(outputs)
        self.free, self.nudged = free, nudged
        self.estimator = estimator
        self.reduction = reduction
        self.name = name
        self.loss_scale = LossScale()
        self.pinned_routings: Routings | None = None
        """Choices of the max poolings to use throughout, instead of the state's own."""
        self.start: tuple[Tensor, ...] | None = None
        """Where free phases start, instead of at zeros; of the batch that will come."""
        self.keep_states = False
        self.reports: list[PhaseReport] = []

    def forward(
        self, *drives: Tensor, scale: LossScale | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """The equilibrium state of the output layers, (B, *layer shape) each.

        One output is returned bare, several as a tuple. ``drives`` are in the order of the
        energy's drives. ``scale`` replaces the block's own ``loss_scale`` for this call.
        """
        call = _Call(self, len(drives), scale or self.loss_scale)
        states = _Equilibrate.apply(call, *drives, *self.energy.trainable())
        return states[0] if len(states) == 1 else states

    def loss(
        self, *drives: Tensor, loss: Callable[[Tensor, int], Tensor], readout: nn.Module
    ) -> tuple[Tensor, Tensor]:
        """A loss per sample of the single output, (B,), and that output's free state.

        This is ``nudge=loss``: nudged phases feel the gradient of ``loss`` at the current
        state instead of a cotangent. ``loss(s, copies)`` gives (N,) losses for a state of N
        samples, N being ``copies`` times the batch; its parameters are those of ``readout``.
        """
        cost = LossCost(self.outputs[0], loss, readout)
        call = _Call(self, len(drives), self.loss_scale, cost)
        parameters = [*self.energy.trainable(), *cost.parameters()]
        per_sample, state = _Equilibrate.apply(call, *drives, *parameters)
        return per_sample, state

    def solve(self, *drives: Tensor) -> tuple[Solution, Routings | None]:
        """The free phase alone, without a graph, and the routings it froze, if any."""
        solution, dynamics = self.free_phase(*drives)
        return solution, dynamics.routings

    def free_phase(self, *drives: Tensor) -> tuple[Solution, HopfieldDynamics]:
        """The free phase, and its dynamics: routings that it froze, weights that it packed."""
        drives = tuple(u.detach() for u in drives)
        with torch.no_grad():
            dynamics = HopfieldDynamics(
                self.energy, drives, routings=self.pinned_routings, resting=self.start is None
            )
            start = self.start or self.energy.zero_state(len(drives[0]), drives[0])
            if self.free.feedforward and self.start is None:
                start = forward_pass(dynamics, start)
            solution = relax(dynamics, start, self.free)
        self.reports = [self._report("free", solution, dynamics.routings)]
        return solution, dynamics

    def gradient(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        """The estimator's answer; its solves are added to ``reports``."""
        estimate = self.estimator.estimate(equilibrium, cost, weights)
        for phase, solutions in estimate.solutions.items():
            self.reports += [self._report(phase, solution) for solution in solutions]
        return estimate

    def batch_weights(self, batch: int, scale: LossScale, like: Tensor) -> Tensor:
        """What the reduction and the loss scale multiply each sample's cost by, (B,)."""
        factor = 1.0 / batch if self.reduction == "mean" else 1.0
        return like.new_full((batch,), factor).mul(scale.value)

    def _report(
        self, phase: str, solution: Solution, routings: Routings | None = None
    ) -> PhaseReport:
        report = PhaseReport(
            self.name, phase, solution.residual.detach(), solution.sweeps, solution.status
        )
        if not self.keep_states:
            return report
        state = tuple(s.detach() for s in solution.state)
        return replace(report, state=state, routings=routings)


@dataclass(frozen=True)
class _Call:
    """What one call of a block hands to its backward pass besides tensors."""

    block: EnergyBlock
    drives: int
    scale: LossScale
    cost: LossCost | None = None


class _Equilibrate(torch.autograd.Function):
    """The free phase forward, the estimator backward.

    Inputs: the call, its drives, the block's trainable parameters and, with a loss as
    cost, the readout's. Outputs: the states of the output layers, or the loss per sample
    and (not differentiable) the output layer's state.
    """

    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: Tensor) -> tuple[Tensor, ...]:
        block = call.block
        with _without_autocast(tensors[0]):
            dtype = next((p.dtype for p in block.parameters()), tensors[0].dtype)
            drives = [u.to(dtype) for u in tensors[: call.drives]]
            solution, dynamics = block.free_phase(*drives)
            routings = dynamics.routings
            state = solution.state
            outputs: tuple[Tensor, ...] = tuple(state[i].detach() for i in block.outputs)
            if call.cost is not None:
                outputs = (call.cost.loss(outputs[0], 1), outputs[0])
                ctx.mark_non_differentiable(outputs[1])
        ctx.call, ctx.sizes, ctx.routing_layout = call, (len(drives), len(state)), None
        ctx.prepared = dynamics.prepared
        ctx.input_dtypes = [u.dtype for u in tensors]
        choices: list[Tensor] = []
        if routings is not None:
            ctx.routing_layout = [(index, len(routing)) for index, routing in routings.items()]
            choices = [choice for routing in routings.values() for choice in routing]
        # The parameters are saved for autograd's check that nobody changed them meanwhile.
        ctx.save_for_backward(*drives, *state, *choices, *tensors[call.drives :])
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        call: _Call = ctx.call
        equilibrium = _restore(ctx)
        state = equilibrium.state
        cost: Cost
        if call.cost is not None:
            cost, weights = call.cost, cotangents[0]
        else:
            weights = call.block.batch_weights(len(state[0]), call.scale, state[0])
            cost = _linear_cost(call.block.outputs, cotangents, weights)
        with _without_autocast(state[0]):
            estimate = call.block.gradient(equilibrium, cost, weights)
        gradients = [*estimate.drives, *estimate.parameters, *estimate.cost_parameters]
        typed = [g.to(dtype) for g, dtype in zip(gradients, ctx.input_dtypes, strict=True)]
        return None, *typed


def _without_autocast(like: Tensor) -> AbstractContextManager[object]:
    """A block relaxes in its own precision; devices that know no autocast need no switch."""
    kind = like.device.type
    return torch.autocast(kind, enabled=False) if is_autocast_available(kind) else nullcontext()


def _linear_cost(
    outputs: Sequence[int], cotangents: Sequence[Tensor], weights: Tensor
) -> LinearCost:
    """Per-sample cotangents by layer; a layer that is two outputs receives both."""
    by_layer: dict[int, Tensor] = {}
    # A loss multiplied by zero has zero cotangents, which any factor undoes.
    undo = torch.where(weights == 0, 1.0, weights)
    for i, cotangent in zip(outputs, cotangents, strict=True):
        c = cotangent.to(undo.dtype) / undo.view(-1, *[1] * (cotangent.dim() - 1))
        by_layer[i] = by_layer[i] + c if i in by_layer else c
    return LinearCost(by_layer)


def _restore(ctx: Any) -> Equilibrium:
    """The equilibrium that the forward pass saved."""
    block, (drives, layers) = ctx.call.block, ctx.sizes
    saved = iter(ctx.saved_tensors)
    drive_tensors = tuple(next(saved) for _ in range(drives))
    state = tuple(next(saved) for _ in range(layers))
    routings: dict[int, Routing] | None = None
    if ctx.routing_layout is not None:
        routings = {
            index: tuple(next(saved) for _ in range(count)) for index, count in ctx.routing_layout
        }
    return Equilibrium(
        block.energy, drive_tensors, state, block.free, block.nudged, routings, ctx.prepared
    )


class _Tie(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, scale: LossScale) -> Tensor:
        ctx.scale = scale
        return loss.view_as(loss)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        ctx.scale.value = gradient.detach()
        return gradient, None
