"""One loop that relaxes any dynamics to its fixed point, sample by sample.

A sample that has converged or diverged is left where it is, so its result does not
depend on the other samples of its batch. Nothing returns a bare state: a
:class:`Solution` says how far each sample got.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import torch
from torch import Tensor

from ffebm_dsl.relaxation.order import Schedule

DIVERGED_RMS = 1e8
"""A state whose root mean square exceeds this has diverged; activations of order one do not."""

RECURRENCE = 0.1
"""A state nearer to an earlier one than this fraction of its last step is back there."""


class Status(IntEnum):
    """How the relaxation of a sample ended."""

    CONVERGED = 0
    """The relative change of a sweep fell below the tolerance."""
    EXHAUSTED = 1
    """All sweeps were used; with tolerance 0 every finite sample ends so."""
    CYCLING = 2
    """All sweeps were used and the state came back, within the tolerance, to an earlier one."""
    DIVERGED = 3
    """The state is not finite, or beyond ``DIVERGED_RMS``."""


class Dynamics(Protocol):
    """What can be relaxed: a map of the whole state, layer by layer."""

    def update(self, state: Sequence[Tensor], layer: int) -> Tensor:
        """The new state of ``layer``, (B, *layer shape)."""

    def moved(self, layer: int) -> None:
        """``layer`` has changed: what was kept from its old state is stale."""

    def freeze_routing(self, state: Sequence[Tensor]) -> None:
        """From now on keep the choices of the max poolings at ``state``."""


@dataclass(frozen=True)
class Relaxation:
    """How to relax: the settings of one phase.

    Attributes:
        sweeps: at most this many sweeps (exactly this many where ``tolerance`` is 0).
        tolerance: relative change per sample, ``|s' - s| / |s'|`` over the whole state of
            the block, below which a sample has converged.
        schedule: the groups of layers that a sweep updates (``order.schedule``).
        damping: part of the old state that is kept, ``s <- damping s + (1 - damping) s'``.
        routing_after: freeze the choices of max poolings after this many sweeps; -1: never.
    """

    sweeps: int
    tolerance: float
    schedule: Schedule
    damping: float = 0.0
    routing_after: int = -1


@dataclass(frozen=True)
class Solution:
    """The result of a relaxation.

    Attributes:
        state: one tensor per layer, (B, *layer shape).
        residual: relative change in the last sweep that the sample took part in, (B,);
            NaN where no sweep was made.
        sweeps: sweeps used, (B,), int64.
        status: a :class:`Status` per sample, (B,), int8.
    """

    state: list[Tensor]
    residual: Tensor
    sweeps: Tensor
    status: Tensor


def relax(dynamics: Dynamics, state: Sequence[Tensor], settings: Relaxation) -> Solution:
    """Sweep until every sample has converged or the sweeps are used up.

    ``state`` is where to start, one tensor (B, *layer shape) per layer; it is not changed.
    With tolerance 0 the residual is taken in the last sweep only. With a graph enabled the
    sweeps are recorded by autograd.
    """
    states = list(state)
    progress = _Progress(states[0], settings)
    for sweep in range(settings.sweeps):
        if sweep == settings.routing_after:
            dynamics.freeze_routing(states)
        measured = settings.tolerance > 0 or sweep == settings.sweeps - 1
        change = _sweep(dynamics, states, settings, progress.frozen, measured)
        if change is not None and progress.observe(sweep + 1, states, change):
            break
    return progress.solution(states)


def _sweep(
    dynamics: Dynamics,
    states: list[Tensor],
    settings: Relaxation,
    frozen: Tensor | None,
    measured: bool,
) -> Tensor | None:
    """Update every layer once, in place of the list; the squared change per sample, if asked."""
    change: Tensor | None = None
    for group in settings.schedule:
        proposals = [dynamics.update(states, i) for i in group]
        for i, new in zip(group, proposals, strict=True):
            old = states[i]
            if settings.damping:
                new = torch.lerp(new, old, settings.damping)
            if frozen is not None:
                new = torch.where(frozen.view(-1, *[1] * (new.dim() - 1)), old, new)
            if measured:
                step = _squared_norm(new.detach() - old.detach())
                change = step if change is None else change + step
            states[i] = new
            dynamics.moved(i)
    return change


class _Progress:
    """What is known of each sample while its relaxation runs."""

    def __init__(self, like: Tensor, settings: Relaxation) -> None:
        batch = len(like)
        self.settings = settings
        self.residual = like.new_full((batch,), torch.nan)
        self.sweeps = torch.full((batch,), settings.sweeps, device=like.device)
        self.status = torch.full((batch,), Status.EXHAUSTED, dtype=torch.int8, device=like.device)
        self.cycling = torch.zeros(batch, dtype=torch.bool, device=like.device)
        self.frozen: Tensor | None = None
        self._snapshot: list[Tensor] | None = None

    def observe(self, sweep: int, states: list[Tensor], change: Tensor) -> bool:
        """Take note of a sweep; whether every sample has come to its end."""
        size = _total(states)
        residual = change.sqrt() / size.sqrt().clamp_min(torch.finfo(size.dtype).tiny)
        count = sum(s[0].numel() for s in states)
        running = torch.ones_like(self.cycling) if self.frozen is None else ~self.frozen
        self.residual = torch.where(running, residual, self.residual)
        diverged = running & ~((residual < torch.inf) & (size < count * DIVERGED_RMS**2))
        converged = running & ~diverged & (residual < self.settings.tolerance)
        ended = diverged | converged
        self.status = torch.where(diverged, Status.DIVERGED, self.status)
        self.status = torch.where(converged, Status.CONVERGED, self.status)
        self.sweeps = torch.where(ended, sweep, self.sweeps)
        if self.settings.tolerance == 0:
            return False
        self._watch_for_cycles(sweep, states, residual, size)
        self.frozen = ended if self.frozen is None else self.frozen | ended
        return bool(self.frozen.all())

    def _watch_for_cycles(
        self, sweep: int, states: list[Tensor], residual: Tensor, size: Tensor
    ) -> None:
        """Brent's method over the second half of the sweeps: a cycle at the end is one there.

        The state is compared with a snapshot that is replaced after 1, 2, 4, ... sweeps.
        """
        late = sweep - self.settings.sweeps // 2
        if late <= 0:
            return
        if self._snapshot is not None:
            apart = _total(
                [s.detach() - old for s, old in zip(states, self._snapshot, strict=True)]
            )
            distance = apart.sqrt() / size.sqrt().clamp_min(torch.finfo(size.dtype).tiny)
            near = (RECURRENCE * residual).clamp_max(self.settings.tolerance)
            self.cycling = self.cycling | (
                (distance < near) & (residual >= self.settings.tolerance)
            )
        if late & (late - 1) == 0:
            self._snapshot = [s.detach() for s in states]

    def solution(self, states: list[Tensor]) -> Solution:
        exhausted = self.status == Status.EXHAUSTED
        status = torch.where(exhausted & self.cycling, Status.CYCLING, self.status)
        return Solution(states, self.residual, self.sweeps, status.to(torch.int8))


def _squared_norm(x: Tensor) -> Tensor:
    return x.flatten(1).square().sum(1)


def _total(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([_squared_norm(x.detach()) for x in tensors]).sum(0)
