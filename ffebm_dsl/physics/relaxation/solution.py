"""What a relaxation is told, and what it tells of every sample."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from torch import Tensor

from ffebm_dsl.physics.relaxation.anderson import Anderson
from ffebm_dsl.physics.relaxation.order import Schedule


class Status(IntEnum):
    """How the relaxation of a sample ended."""

    CONVERGED = 0
    """The relative change of a sweep fell below the tolerance."""
    EXHAUSTED = 1
    """All sweeps were used; with tolerance 0 every finite sample ends so."""
    CYCLING = 2
    """All sweeps were used and the state came back to an earlier one; with tolerance 0: to that of
    two sweeps before, by steps that do not get smaller."""
    DIVERGED = 3
    """The state is not finite, beyond ``DIVERGED_RMS``, or still grew by more than ``GROWTH``."""


@dataclass(frozen=True)
class Relaxation:
    """How to relax: the settings of one phase.

    Attributes:
        sweeps: at most this many sweeps (exactly this many where ``tolerance`` is 0).
        tolerance: relative change per sample, ``|s' - s| / |s'|`` over the whole state of
            the block, below which a sample has converged. Over-relaxed, the change is that of the
            steps before they are stretched.
        schedule: the groups of layers that a sweep updates (``order.schedule``).
        damping: part of the old state that is kept, ``s <- damping s + (1 - damping) s'``.
        over_relaxation: factor by which sweeps overstep, ``s <- P(s + omega (s' - s))``, from 1
            (not at all) to below 2; P cuts off at the activation's range.
        routing_after: freeze the choices of max poolings after this many sweeps; -1: never.
        solver: what accelerates the sweeps; None: nothing does.
        feedforward: start a phase from rest with one forward pass through the layers, which
            is not counted as a sweep.
    """

    sweeps: int
    tolerance: float
    schedule: Schedule
    damping: float = 0.0
    routing_after: int = -1
    solver: Anderson | None = None
    feedforward: bool = False
    over_relaxation: float = 1.0

    @property
    def middle(self) -> int:
        """The sweep in the middle; what comes after it is compared with how things stood there."""
        return self.sweeps // 2

    def measured(self, sweep: int) -> bool:
        """Whether the change that ``sweep`` makes is taken; counted from 1."""
        return self.tolerance > 0 or sweep in (self.middle, self.sweeps)

    def swing_begins(self, sweep: int) -> bool:
        """Whether the state after ``sweep`` is the one that a swing comes back to at the end."""
        return self.tolerance == 0 and 0 < self.middle <= sweep == self.sweeps - 2


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
