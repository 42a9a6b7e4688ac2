"""What a relaxation is told, and what it tells of every sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Self

from ffebm_dsl.physics.interfaces.noise import Noise
from ffebm_dsl.physics.interfaces.solver import Schedule, Solver, Sweeps

if TYPE_CHECKING:
    from torch import Tensor


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
    """The state is not finite, beyond ``DIVERGED_RMS``, or still grew by more than ``GROWTH``;
    angles may grow."""


@dataclass(frozen=True)
class Relaxation:
    """How to relax.

    Attributes:
        sweeps: at most this many sweeps (exactly this many where ``tolerance`` is 0).
        tolerance: relative change per sample, ``|s' - s| / |s'|`` over the whole state of
            the block, below which a sample has converged.
        solver: what makes the sweeps; the change is that of its plain sweeps.
    """

    sweeps: int
    tolerance: float
    solver: Solver

    @property
    def schedule(self) -> Schedule:
        """The groups of layers that a sweep updates."""
        return self.solver.plain.schedule

    @property
    def noisy(self) -> bool:
        """Whether sweeps differ by noise."""
        return False

    def damped(self, damping: float) -> Self:
        """The same by plain sweeps that keep this part of the old state."""
        return replace(self, solver=Sweeps(self.schedule, damping))


@dataclass(frozen=True)
class PhaseSettings(Relaxation):
    """How a block relaxes in one phase.

    Attributes:
        freeze_after: keep the choices of max poolings after this many sweeps; -1: never.
        feedforward: a free phase from zero begins with one forward pass through the layers,
            which is not counted as a sweep.
        noise: what is drawn anew in every sweep.

    Raises:
        ValueError: noise in sweeps other than plain ones: what accelerates them takes noise for
            a change of the state.
    """

    freeze_after: int = -1
    feedforward: bool = False
    noise: tuple[Noise, ...] = ()

    def __post_init__(self) -> None:
        if self.noisy and not isinstance(self.solver.fitted(self), Sweeps):
            raise ValueError(f"noise needs plain sweeps, not {type(self.solver).__name__}")

    @property
    def noisy(self) -> bool:
        """Whether there is any noise."""
        return any(noise.deviation > 0 for noise in self.noise)


@dataclass(frozen=True)
class Solution:
    """The result of a relaxation.

    Attributes:
        state: one tensor per layer, (B, *layer shape).
        residual: relative change in the last sweep that the sample took part in, (B,);
            NaN where no sweep was made.
        sweeps: sweeps used, (B,), int64.
        status: a :class:`Status` per sample, (B,), int8.
        paces: what a solver that chooses made of each sample, (B,): above 1 where it was
            accelerated, 1 where it was not; None: none was, or the solver does not choose.
    """

    state: list[Tensor]
    residual: Tensor
    sweeps: Tensor
    status: Tensor
    paces: Tensor | None = None
