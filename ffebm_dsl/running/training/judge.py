"""Detection of bad steps before the optimiser moves, by the policy of the spec.

The numbers it needs are transferred with the step's other numbers (``measures.read_step``). The
place and cause are determined only for a bad step (``locate``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.registry import POLICIES
from ffebm_dsl.physics.interfaces import Status
from ffebm_dsl.physics.network import HybridNetwork, PhaseReport
from ffebm_dsl.running.training.locate import locate
from ffebm_dsl.running.training.measures import Batch, Norms, StepNumbers, norms_of, trainable
from ffebm_dsl.running.training.trouble import Trouble
from ffebm_dsl.running.training.world import ALONE, World

LEAST_RMS = 0.1
"""Smallest reference size of a weight tensor (root mean square) for its growth."""

FROM_ZERO = 1.0
"""The same for tensors that are initially zero (biases), whose scale is unknown."""


def initial_sizes(network: nn.Module) -> Norms:
    """The reference norm of every weight tensor of a new network, (tensors,)."""
    weights = [*trainable(network).values()]
    norms, roots = norms_of(weights), np.array([w.numel() ** 0.5 for w in weights])
    return np.where(norms > 0, np.maximum(norms, LEAST_RMS * roots), FROM_ZERO * roots)


class StepJudge:
    """Judges the steps of a run.

    Args:
        network: the network in training.
        policy: the policy of the spec, with its arguments.
        start: :func:`initial_sizes` of the network at the beginning of the run.
        world: the processes that train it.
    """

    def __init__(
        self, network: HybridNetwork, policy: CallIR, start: Norms, world: World = ALONE
    ) -> None:
        self._network, self._policy, self._start, self._world = network, policy, start, world
        self._growth = float(policy.arguments["growth"])
        self._weights = trainable(network)
        self.weights = [*self._weights.values()]
        self._before = norms_of(self.weights)
        self._now = self._before
        self._buffers = list(network.buffers())
        self._kept = [buffer.clone() for buffer in self._buffers]
        statistics = [buffer for buffer in self._buffers if buffer.is_floating_point()]
        self.watched = [*self.weights, *statistics]

    @property
    def tries(self) -> int:
        """The number of tries of a batch, including the first."""
        policy = self._policy
        return 1 + POLICIES[policy.name].retries(policy.arguments)

    def damping(self, tried: int) -> float:
        """The factor on the moves of a sweep after ``tried`` tries of a batch."""
        policy = self._policy
        return POLICIES[policy.name].damping(policy.arguments, tried)

    def may_skip(self, trouble: Trouble, skipped: int) -> bool:
        """Whether a bad batch may be skipped after ``skipped`` others of its epoch."""
        policy = self._policy
        most = POLICIES[policy.name].skips(policy.arguments)
        return skipped < most and not trouble.of_weights

    @torch.no_grad()
    def keep_buffers(self) -> None:
        """Copy the running statistics, the only state that a forward pass changes."""
        if self._buffers:
            torch._foreach_copy_(self._kept, self._buffers)

    @torch.no_grad()
    def restore_buffers(self) -> None:
        """Restore the running statistics to their last copy, bit for bit."""
        if self._buffers:
            torch._foreach_copy_(self._buffers, self._kept)

    def is_wrong(self, norms: Norms) -> bool:
        """Whether weights or statistics are bad after a backward pass, by the norms of ``watched``.

        Loss, gradient, samples and relaxations are checked when they are read.
        """
        self._now = norms[: len(self.weights)]
        return not np.isfinite(norms).all() or not self._grown().max() <= self._growth

    def trouble(self, batch: Batch, numbers: StepNumbers) -> Trouble | None:
        """The trouble of a step after its backward pass; None if the optimiser may move.

        A bad step is computed once more, to find where it first went wrong. The running statistics
        are then restored to those before the step.
        """
        if numbers.finite and not numbers.flagged:
            self._before = self._now
            return None
        reports = self._network.phases()
        self.restore_buffers()
        found = locate(self._network, batch, self._exploded(), self._world)
        self.restore_buffers()
        return found or unexplained(numbers, reports)

    def weights_trouble(self) -> Trouble | None:
        """The trouble of the weights after the last step, so that bad weights are never saved."""
        self._now = norms_of(self.weights)
        if not self._world.any(not self._grown().max() <= self._growth):
            return None
        return self._exploded() or Trouble("exploding", "weights")

    def _grown(self) -> Norms:
        """Growth of every weight tensor: that of the last step, or the cube root of the total."""
        with np.errstate(invalid="ignore"):  # for weights that were already infinite
            in_step = self._now / np.maximum(self._before, self._start)
        return np.maximum(in_step, np.cbrt(self._now / self._start))

    def _exploded(self) -> Trouble | None:
        """The weight tensor that grew most, if it grew too much."""
        grown = self._grown()
        if grown.max() <= self._growth:
            return None
        worst = int(np.where(np.isnan(grown), np.inf, grown).argmax())
        label = self._network.labels()[list(self._weights)[worst]]
        block, _, tensor = label.partition(".")
        return Trouble("exploding", "weights", block, tensor, value=float(grown[worst]))


def unexplained(numbers: StepNumbers, reports: Sequence[PhaseReport]) -> Trouble:
    """The trouble of a bad step whose second computation is good."""
    if not math.isfinite(numbers.loss):
        return Trouble("not finite", "loss", value=numbers.loss)
    if not math.isfinite(numbers.gradient_norm):
        return Trouble("not finite", "gradient", value=numbers.gradient_norm)
    for report in reports:
        bad = report.status.eq(Status.DIVERGED)
        if bool(bad.any()):
            value = float(report.residual[bad].max())
            return Trouble("diverging", report.phase, report.block, value=value)
    return Trouble("not finite", "buffers")
