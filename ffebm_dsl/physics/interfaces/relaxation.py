"""Settings and results of relaxations."""

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
    """The state is not finite, beyond ``DIVERGED_RMS``, or still grew by more than ``GROWTH``
    where growth is a sign of divergence (:attr:`Dynamics.may_grow`)."""


@dataclass(frozen=True)
class Relaxation:
    """Settings of a relaxation.

    Attributes:
        sweeps: the largest number of sweeps; with tolerance 0 the exact number.
        tolerance: relative change per sample, ``|s' - s| / |s'|`` over the whole state of
            the block, below which a sample has converged.
        solver: the solver that makes the sweeps; the change is that of its plain sweeps.
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
        """Whether there is noise in the sweeps."""
        return False

    def damped(self, damping: float) -> Self:
        """The same settings with plain sweeps that keep this fraction of the old state."""
        return replace(self, solver=Sweeps(self.schedule, damping))


@dataclass(frozen=True)
class PhaseSettings(Relaxation):
    """Settings of one phase of a block.

    Attributes:
        freeze_after: number of sweeps after which routings are kept; -1: never.
        feedforward: whether a free phase from zero begins with a forward pass through the layers,
            which does not count as a sweep.
        noise: the noises, drawn anew in every sweep.

    Raises:
        ValueError: noise with sweeps that are not plain; an accelerating solver would take noise
            for a change of the state.
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
        residual: relative change in the last sweep of the sample, (B,); NaN without a sweep.
        sweeps: number of sweeps made, (B,) int64.
        status: a :class:`Status` per sample, (B,), int8.
        paces: acceleration that an adaptive solver chose for each sample, (B,): above 1 where it
            accelerated, else 1; None: it accelerated none, or the solver is not adaptive.
    """

    state: list[Tensor]
    residual: Tensor
    sweeps: Tensor
    status: Tensor
    paces: Tensor | None = None
