"""Judges steps before the optimiser moves, by the policy of the spec.

All that is looked at is read with the step's other numbers (``measures.read_step``).
Where and why a step is bad is asked only of a bad one (``locate``).
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
"""A weight tensor counts as at least this large, root mean square, where its growth is judged."""

FROM_ZERO = 1.0
"""The same for tensors that start at zero, biases: where they go is not known beforehand."""


def initial_sizes(network: nn.Module) -> Norms:
    """What the norm of every weight tensor of a new network counts as, (tensors,)."""
    weights = [*trainable(network).values()]
    norms, roots = norms_of(weights), np.array([w.numel() ** 0.5 for w in weights])
    return np.where(norms > 0, np.maximum(norms, LEAST_RMS * roots), FROM_ZERO * roots)


class StepJudge:
    """Judges the steps of one run.

    Args:
        network: as it is trained.
        policy: that of the spec, with its arguments.
        start: :func:`initial_sizes` of the network as the run began.
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
        """How often a batch is tried, the first time included."""
        policy = self._policy
        return 1 + POLICIES[policy.name].retries(policy.arguments)

    def damping(self, tried: int) -> float:
        """What the moves of a sweep are multiplied by after ``tried`` tries of a batch."""
        policy = self._policy
        return POLICIES[policy.name].damping(policy.arguments, tried)

    def may_skip(self, trouble: Trouble, skipped: int) -> bool:
        """Whether a bad batch may be left out, ``skipped`` of its epoch having been."""
        policy = self._policy
        most = POLICIES[policy.name].skips(policy.arguments)
        return skipped < most and not trouble.of_weights

    @torch.no_grad()
    def keep_buffers(self) -> None:
        """Note the running statistics, the only thing that a forward pass changes."""
        if self._buffers:
            torch._foreach_copy_(self._kept, self._buffers)

    @torch.no_grad()
    def restore_buffers(self) -> None:
        """Bring them back as they were when last noted, bit for bit."""
        if self._buffers:
            torch._foreach_copy_(self._buffers, self._kept)

    def is_wrong(self, norms: Norms) -> bool:
        """Whether weights or statistics are wrong after a backward pass, by those of ``watched``.

        Loss, gradient, samples and relaxations are looked at as they are read.
        """
        self._now = norms[: len(self.weights)]
        return not np.isfinite(norms).all() or not self._grown().max() <= self._growth

    def trouble(self, batch: Batch, numbers: StepNumbers) -> Trouble | None:
        """What is wrong with a step after its backward pass; None: the optimiser may move.

        A bad step is computed once more, to find what went wrong first. Then the running
        statistics are as they were before it.
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
        """What is wrong with the weights that the last step left, so that none such is saved."""
        self._now = norms_of(self.weights)
        if not self._world.any(not self._grown().max() <= self._growth):
            return None
        return self._exploded() or Trouble("exploding", "weights")

    def _grown(self) -> Norms:
        """The growth of every weight tensor: in the last step, or the cube root of that in all."""
        with np.errstate(invalid="ignore"):  # weights that were infinite before
            in_step = self._now / np.maximum(self._before, self._start)
        return np.maximum(in_step, np.cbrt(self._now / self._start))

    def _exploded(self) -> Trouble | None:
        """The weight tensor that grew most, if one grew too much."""
        grown = self._grown()
        if grown.max() <= self._growth:
            return None
        worst = int(np.where(np.isnan(grown), np.inf, grown).argmax())
        label = self._network.labels()[list(self._weights)[worst]]
        block, _, tensor = label.partition(".")
        return Trouble("exploding", "weights", block, tensor, value=float(grown[worst]))


def unexplained(numbers: StepNumbers, reports: Sequence[PhaseReport]) -> Trouble:
    """What is known of a step that comes out well when it is computed again."""
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
