"""An energy block as an ordinary torch module whose backward pass is physics.

``forward`` runs the free phase without a graph and returns the equilibrium state of the
output layers. In the backward pass the block's estimator turns the cotangents of those
outputs into gradients for its weights and its drives, by further relaxation.

A call captures the settings, weights and drives when ``forward`` runs. A block may therefore be
called many times before a backward pass, from several threads, and with different settings.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.amp.autocast_mode import is_autocast_available

from ffebm_dsl.physics.energy import Energy
from ffebm_dsl.physics.gradients import LossCost
from ffebm_dsl.physics.interfaces import (
    FIXED,
    Cost,
    Draws,
    Equilibrium,
    Estimator,
    Force,
    PhaseSettings,
    Routings,
    Solution,
)
from ffebm_dsl.physics.network.call import BlockCall
from ffebm_dsl.physics.network.phase_report import PhaseReport
from ffebm_dsl.physics.network.proportion import proportioned
from ffebm_dsl.physics.network.refusal import refuse_second_order
from ffebm_dsl.physics.network.requirements import require_drives
from ffebm_dsl.physics.network.strength import MeasuredStrength
from ffebm_dsl.physics.network.whole_batch import WholeBatch

if TYPE_CHECKING:
    from ffebm_dsl.physics.hardware import Device

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class BlockSettings:
    """How a block relaxes and learns.

    Attributes:
        free: settings of the free phase.
        nudged: settings of the nudged phases.
        estimator: the gradient estimator.
        force: a force on the pre-activations in every phase.
        routings: fixed routings of the max poolings, instead of those of the state.
        start: initial states of free phases, instead of zero; (B, *layer shape) each.
        keep_states: whether reports keep the final states of phases.
        measure: whether reports of free phases include the energy's quantities.
    """

    free: PhaseSettings
    nudged: PhaseSettings
    estimator: Estimator
    force: Force | None = None
    routings: Routings | None = None
    start: tuple[Tensor, ...] | None = None
    keep_states: bool = False
    measure: bool = False

    def quiet(self) -> BlockSettings:
        """The same without noise."""
        return replace(
            self, free=replace(self.free, noise=()), nudged=replace(self.nudged, noise=())
        )


class EnergyBlock(WholeBatch, MeasuredStrength):
    """An energy with its relaxation, its outputs and its gradient estimator.

    A nudge is beta times the cotangent of the loss per sample, taken to be a mean over the
    batch. Whatever else multiplies the loss multiplies the nudge; where that is out of
    proportion, the block brings it back (:mod:`~ffebm_dsl.physics.network.proportion`).

    Args:
        energy: layers, couplings and drives; the drives are the arguments of ``forward``.
        outputs: indices of the layers whose states the block returns.
        settings: how the block relaxes and learns; None: the defaults of the language. They may
            be replaced; earlier calls keep theirs.
        device: the device that the block is on; None: ideal hardware.
        name: name of the block in reports and messages; by default ``block1``, ``block2``, ....
    """

    def __init__(
        self,
        energy: Energy,
        outputs: Sequence[int],
        settings: BlockSettings | None = None,
        *,
        device: Device | None = None,
        name: str = "",
    ) -> None:
        super().__init__()
        self.energy = energy
        self.outputs = tuple(outputs)
        self.settings = settings or _of_the_language(energy)
        self.device = device
        self.name = name or f"block{next(_NUMBERS)}"
        self.register_buffer("reach", None)
        self.register_buffer("strength", None, persistent=False)
        self.reserve_reach(self.settings)
        self.reports: Sequence[PhaseReport] = []
        """Reports of the relaxations of the last call, including its backward pass."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse to set a setting as an attribute, which would have no effect.

        Raises:
            AttributeError: ``name`` is a field of the settings.
        """
        if name in BlockSettings.__dataclass_fields__:
            raise AttributeError(
                f"the settings of a block are one value: block.configure({name}=...) changes it"
            )
        super().__setattr__(name, value)

    def configure(self, **changes: Any) -> None:
        """Change some fields of the settings for later calls."""
        self.settings = replace(self.settings, **changes)

    def forward(
        self, *drives: Tensor, settings: BlockSettings | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """The equilibrium state of the output layers, (B, *layer shape) each.

        A single output is returned as a tensor, several as a tuple. ``drives`` are in the order of
        the energy's drives. ``settings`` replace the block's own for this call.

        Raises:
            ValueError: a drive does not fit the layer that it drives, or batches differ.
        """
        states = self._call(drives, settings or self.settings, None)
        return states[0] if len(states) == 1 else states

    def loss(
        self,
        *drives: Tensor,
        loss: Callable[[Tensor, int], Tensor],
        readout: nn.Module,
        curvature: float = 0.0,
        settings: BlockSettings | None = None,
    ) -> tuple[Tensor, Tensor]:
        """A loss per sample of the single output, (B,), and that output's free state.

        This is ``nudge=loss``: nudged phases feel the gradient of ``loss`` at the current
        state instead of a cotangent. ``loss(s, copies)`` gives (N,) losses for a state of N
        samples, N being ``copies`` times the batch; its parameters are those of ``readout``.
        ``curvature`` is the c for which the Hessian of the loss by the state is c times the
        identity, if there is one.
        """
        cost = LossCost(self.outputs[0], loss, readout, second=curvature)
        per_sample, state = self._call(drives, settings or self.settings, cost)
        return per_sample, state

    def solve(
        self, *drives: Tensor, settings: BlockSettings | None = None
    ) -> tuple[Solution, Routings | None]:
        """The free phase alone, without a graph, and the routings it froze, if any."""
        call = self._new_call(drives, settings or self.settings, None)
        with torch.no_grad():
            entering = [*drives] if self.device is None else self.device.enter(drives)
            return call.free_phase(call.bind(self.energy, entering, self.energy.weights()))

    def extra_repr(self) -> str:
        layers = ", ".join(f"{layer.name} {list(layer.shape)}" for layer in self.energy.layers)
        outputs = ", ".join(self.energy.layers[i].name for i in self.outputs)
        s = self.settings
        return (
            f"{self.name}: {layers} -> {outputs}\n{s.estimator}\n"
            f"free: {s.free.sweeps} sweeps, tolerance {s.free.tolerance:g}; "
            f"nudged: {s.nudged.sweeps} sweeps, tolerance {s.nudged.tolerance:g}"
        )

    def _new_call(
        self, drives: Sequence[Tensor], settings: BlockSettings, cost: LossCost | None
    ) -> BlockCall:
        require_drives(self.name, drives, self.energy)
        batch = float(len(drives[0]))
        if self.part is not None:
            batch = self.part.total / self.part.processes
        self.reserve_reach(settings)
        draws = self._draws(settings, drives)
        # In use, weights are programmed once; in training, before each step.
        programming = draws.seed if draws is not None and self.training else FIXED
        call = BlockCall(
            self.name,
            settings,
            self.outputs,
            batch,
            self.part is None or self.part.count > 0,
            cost,
            draws,
            self.reach,
            self.strength,
            self.device,
            programming,
        )
        self.reports = call.reports
        return call

    def _draws(self, settings: BlockSettings, drives: Sequence[Tensor]) -> Draws | None:
        """The source of the noise of a call: a seed from torch's generator, as for dropout."""
        noisy = settings.free.noisy or settings.nudged.noisy
        reprogrammed = self.training and self.device is not None and self.device.reprogrammed
        # Also where a call has another estimator, so that what follows draws the same numbers.
        random = settings.estimator.random or self.settings.estimator.random
        if not noisy and not reprogrammed and not random:
            return None
        seed, own, part = int(torch.randint(2**63 - 1, ())), len(drives[0]), self.part
        total, first = own, 0
        if part is not None and part.reduce is not None:
            total, first = part.total, part.first if part.count else 0
        units = max(math.prod(layer.shape) for layer in self.energy.layers)
        return Draws(seed, total, first, own, units, drives[0].device)

    def _call(
        self, drives: Sequence[Tensor], settings: BlockSettings, cost: LossCost | None
    ) -> tuple[Tensor, ...]:
        if torch.compiler.is_compiling():
            # To the compiler a block is one opaque call: its sweeps are loops over data.
            return torch.compiler.disable(self._run)(drives, settings, cost)
        return self._run(drives, settings, cost)

    def _run(
        self, drives: Sequence[Tensor], settings: BlockSettings, cost: LossCost | None
    ) -> tuple[Tensor, ...]:
        call = self._new_call(drives, settings, cost)
        if self.device is not None:
            drives = self.device.enter(drives)
        weights = self.energy.weights()
        of_cost = [] if cost is None else cost.parameters()
        plan = _Plan(call, self.energy, tuple(weights), len(drives))
        outputs: tuple[Tensor, ...] = _Equilibrate.apply(plan, *drives, *weights.values(), *of_cost)
        # A loss as cost takes the state as it is.
        return outputs if self.device is None or cost is not None else self.device.leave(outputs)


def _of_the_language(energy: Energy) -> BlockSettings:
    # `build` knows both the language and the blocks, and imports this module.
    from ffebm_dsl.build import default_settings

    return default_settings(energy)


@dataclass(frozen=True)
class _Plan:
    """A call with the names of the tensors passed to autograd."""

    call: BlockCall
    energy: Energy
    weights: tuple[str, ...]
    drives: int


class _Equilibrate(torch.autograd.Function):
    """The free phase forward, the estimator backward.

    Inputs: the plan, drives, weights of the energy and, with a loss as cost, the readout's
    parameters. Outputs: the states of the output layers, or the loss per sample and (not
    differentiable) the output layer's state.
    """

    @staticmethod
    def forward(ctx: Any, plan: _Plan, *tensors: Tensor) -> tuple[Tensor, ...]:
        call, given = plan.call, tensors[: plan.drives]
        named = dict(zip(plan.weights, tensors[plan.drives :], strict=False))
        with _without_autocast(tensors[0]):
            dtype = next((w.dtype for w in named.values()), tensors[0].dtype)
            drives = [u.detach().to(dtype) for u in given]
            bound = call.bind(plan.energy, drives, named)
            solution, routings = call.free_phase(bound)
            ctx.equilibrium = call.equilibrium(bound, solution, routings)
            state = ctx.equilibrium.state
            outputs: tuple[Tensor, ...] = tuple(state[i].detach() for i in call.outputs)
            if call.cost is not None:
                outputs = (call.cost.loss(outputs[0], 1), outputs[0])
                ctx.mark_non_differentiable(outputs[1])
        ctx.plan = plan
        ctx.dtypes = [x.dtype for x in tensors]
        # Saved for autograd's check that nobody changed them in place meanwhile.
        ctx.save_for_backward(*tensors, *state)
        return outputs

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        saved, plan = ctx.saved_tensors, ctx.plan
        with torch.no_grad():
            gradients = _gradients(ctx.equilibrium, plan, cotangents)
        found = [
            None if g is None or not needed else g.to(dtype)
            for g, dtype, needed in zip(
                gradients, ctx.dtypes, ctx.needs_input_grad[1:], strict=True
            )
        ]
        if torch.is_grad_enabled():
            found = refuse_second_order(plan.call.block, found, (*saved, *cotangents))
        return None, *found


def _gradients(
    equilibrium: Equilibrium, plan: _Plan, cotangents: Sequence[Tensor]
) -> list[Tensor | None]:
    """The gradient for each tensor that the forward pass was given."""
    call, like = plan.call, equilibrium.state[0]
    with _without_autocast(like):
        cost: Cost
        if call.cost is not None:
            cost, weights = call.cost, cotangents[0]
        else:
            layers = equilibrium.bound.layers
            cost, weights = proportioned(
                _by_layer(call.outputs, cotangents, call.batch, like.dtype),
                [layer.activation for layer in layers],
                # Noise would give a row that counts nowhere a gradient of its own.
                like.new_full((len(like),), 1.0 / call.batch if call.counts else 0.0),
            )
            if call.device is not None:
                cost = call.device.let_in(cost)
        estimate = call.gradient(equilibrium, cost, weights)
    named: Mapping[str, Tensor] = estimate.weights
    return [
        *estimate.drives,
        *(named.get(name) for name in plan.weights),
        *estimate.cost_parameters,
    ]


def _by_layer(
    outputs: Sequence[int], cotangents: Sequence[Tensor], batch: float, dtype: torch.dtype
) -> dict[int, Tensor]:
    """Cotangents of the loss per sample by layer; those of a layer with two outputs add up."""
    by_layer: dict[int, Tensor] = {}
    for i, cotangent in zip(outputs, cotangents, strict=True):
        c = cotangent.to(dtype) / (1.0 / batch)
        by_layer[i] = by_layer[i] + c if i in by_layer else c
    return by_layer


def _without_autocast(like: Tensor) -> AbstractContextManager[object]:
    """Disable autocast: a block relaxes in its own precision."""
    kind = like.device.type
    return torch.autocast(kind, enabled=False) if is_autocast_available(kind) else nullcontext()
