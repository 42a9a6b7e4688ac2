"""Looks at every step, undoes a bad one, and knows what the spec wants done about it.

A step is looked at once, after the optimiser's step, with one number read from the device.
What is wrong and where is asked only of a bad step, by computing it again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.physics.network import HybridNetwork, PhaseReport, label
from ffebm_dsl.physics.relaxation import Status
from ffebm_dsl.running.training.bad_steps.backup import Backup
from ffebm_dsl.running.training.bad_steps.locate import cycles, first_found, locate
from ffebm_dsl.running.training.bad_steps.retune import damped, retuned
from ffebm_dsl.running.training.bad_steps.trouble import Attempt, Batch, Trouble, Verdict
from ffebm_dsl.running.training.measures import trainable
from ffebm_dsl.running.training.world import ALONE, World

LEAST_RMS = 0.1
"""A weight tensor counts as at least this large, root mean square, where its growth is judged."""

FROM_ZERO = 1.0
"""The same for tensors that start at zero, biases: where they go is not known beforehand."""


class Guard:
    """Judges the steps of one run by the policy of its spec.

    To be made while the network has its initial weights, also where a run is resumed: growth is
    judged against them, too.
    """

    def __init__(
        self,
        network: HybridNetwork,
        optimizer: torch.optim.Optimizer,
        policy: CallIR,
        world: World = ALONE,
    ) -> None:
        self._network, self._world = network, world
        self._weights = trainable(network)
        self._growth = float(policy.arguments["growth"])
        self._cycling = float(policy.arguments["cycling"])
        self._start = self._sizes()
        self._before: Tensor | None = None
        self.policy = policy
        self.backup = Backup(network, optimizer)

    def settle(self, batch: Batch, compute: Callable[[], Attempt], skipped: int) -> Verdict:
        """Make a step by ``compute``, and undo and answer it if it is bad.

        ``skipped`` batches were left out in this epoch before.
        """
        self.begin()
        first: Trouble | None = None
        for tried in range(self._tries()):
            with self._damped(tried):
                attempt = compute()
                if self.is_good(batch, attempt):
                    return Verdict(attempt, first, tried + 1, "damped" if first else "")
                found = self.name(batch, attempt)
            first = first or found
            if found.lasting:
                break
        action = "skipped" if self._may_skip(skipped) and not found.poisoned else "stopped"
        return Verdict(attempt, first, tried + 1, action)

    @torch.no_grad()
    def begin(self) -> None:
        """Remember how things stand before a step."""
        self.backup.take()
        if self._before is None:
            self._before = self._norms()

    @torch.no_grad()
    def is_good(self, batch: Batch, attempt: Attempt) -> bool:
        """Whether the step that was just made may stand."""
        if not attempt.finite:
            return False
        assert self._before is not None
        after = self._norms()
        wrong = [
            ~batch.x[: batch.part.count].isfinite().all(),
            self._relaxations_wrong(attempt.reports),
            ~self._buffer_sizes().isfinite().all(),
            ~self._grown(after).le(self._growth).all(),
        ]
        if batch.y.is_floating_point():
            wrong.append(~batch.y[: batch.part.count].isfinite().all())
        # What is wrong in one process is wrong: all of them do the same.
        if self._world.any(bool(torch.stack(wrong).any())):
            return False
        self._before = after
        return True

    def name(self, batch: Batch, attempt: Attempt) -> Trouble:
        """What is wrong with the step that was just made, which is undone."""
        result = self._wrong_result() if attempt.finite else None
        self.backup.restore()
        try:
            found = locate(self._network, batch, self._cycling, self._world)
        finally:
            self.backup.restore()
        return found or first_found(result, self._world)[0] or _unexplained(attempt)

    def _tries(self) -> int:
        """How often a batch is tried, the first time included."""
        return 1 + (int(self.policy.arguments["limit"]) if self.policy.name == "damp" else 0)

    def _damped(self, tried: int) -> AbstractContextManager[None]:
        """The relaxations of a batch that was tried so often already."""
        part = float(self.policy.arguments["factor"]) ** tried if tried else 1.0
        return retuned([block.core for block in self._network.blocks], damped(part))

    def _may_skip(self, skipped: int) -> bool:
        """Whether another batch may be left out in an epoch where ``skipped`` were."""
        policy = self.policy
        return policy.name == "skip_batch" and skipped < int(policy.arguments["limit"])

    def _relaxations_wrong(self, reports: tuple[PhaseReport, ...]) -> Tensor:
        shares = [cycles(report).double().mean() for report in reports]
        diverged = torch.cat([_diverged(report) for report in reports]).any()
        return diverged | torch.stack(shares).gt(self._cycling).any()

    def _norms(self) -> Tensor:
        """The norm of every weight tensor."""
        return torch.stack(torch._foreach_norm([w.detach() for w in self._weights.values()]))

    def _sizes(self) -> Tensor:
        """What every weight tensor's norm at the start counts as."""
        roots = [w.numel() ** 0.5 for w in self._weights.values()]
        norms = self._norms()
        root = norms.new_tensor(roots)
        return torch.where(norms > 0, norms.maximum(LEAST_RMS * root), FROM_ZERO * root)

    def _grown(self, after: Tensor) -> Tensor:
        """The growth of every weight tensor: in the step, or the cube root of that in all."""
        assert self._before is not None
        in_step = after / torch.maximum(self._before, self._start)
        return torch.maximum(in_step, (after / self._start) ** (1 / 3))

    def _buffer_sizes(self) -> Tensor:
        """The norm of every buffer of real numbers: running statistics."""
        buffers = [b for b in self._network.buffers() if b.is_floating_point()]
        norms = torch._foreach_norm(buffers) if buffers else [self._norms().new_zeros(())]
        return torch.stack(norms)

    def _wrong_result(self) -> Trouble | None:
        """What is wrong with what the step left: a buffer, or weights that grew too much."""
        for name, buffer in self._network.named_buffers():
            if buffer.is_floating_point() and not bool(buffer.norm().isfinite()):
                block, _, tensor = label(name).partition(".")
                return Trouble("not finite", "buffers", block, tensor, value=float(buffer.norm()))
        return self._exploded()

    def _exploded(self) -> Trouble | None:
        """The weight tensor that grew most, if one grew too much."""
        grown = self._grown(self._norms())
        bad = ~grown.le(self._growth)
        if not bool(bad.any()):
            return None
        worst = int(torch.where(bad, grown.nan_to_num(torch.inf), 0.0).argmax())
        label = self._network.labels()[list(self._weights)[worst]]
        block, _, tensor = label.partition(".")
        return Trouble("exploding", "weights", block, tensor, value=float(grown[worst]))


def _unexplained(attempt: Attempt) -> Trouble:
    """What is known of a step that comes out well when it is computed again."""
    for kind, which in (("diverging", _diverged), ("cycling", cycles)):
        for report in attempt.reports if attempt.finite else ():
            bad = which(report)
            if bool(bad.any()):
                value = float(report.residual[bad].max())
                return Trouble(kind, report.phase, report.block, value=value)
    if attempt.loss == attempt.loss and abs(attempt.loss) != float("inf"):
        return Trouble("not finite", "gradient", value=attempt.norm)
    return Trouble("not finite", "loss", value=attempt.loss)


def _diverged(report: PhaseReport) -> Tensor:
    """Which samples of a phase have diverged, (B,)."""
    return report.status.eq(Status.DIVERGED)
