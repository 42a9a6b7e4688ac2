"""The interface of solvers of relaxations, and the plain sweep on which all of them build."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    from ffebm_dsl.physics.interfaces.relaxation import Relaxation, Solution

Schedule: TypeAlias = tuple[tuple[int, ...], ...]
"""The groups of layer indices that a sweep updates: a group's layers together, from the same
state, and the groups one after the other."""


class Dynamics(Protocol):
    """A map of the whole state, applied layer by layer, that a relaxation iterates."""

    @property
    def changes_after(self) -> int:
        """Number of sweeps after which :meth:`change` is called, once; -1: never."""

    @property
    def live(self) -> bool:
        """Whether routings, such as those of max poolings, still follow the state."""

    @property
    def may_grow(self) -> bool:
        """Whether growing states are no sign of divergence."""

    def update(self, state: Sequence[Tensor], layer: int) -> Tensor:
        """The new state of ``layer``, (B, *layer shape)."""

    def moved(self, layer: int) -> None:
        """Discard what was cached from the old state of ``layer``, which has changed."""

    def change(self, state: Sequence[Tensor]) -> None:
        """Change the map, once, at ``state``."""

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        """Project ``s``, possibly in place, into the range of the layer's states."""

    def select(self, rows: Tensor) -> Dynamics:
        """The dynamics of the samples ``rows`` (indices into the batch) alone."""


class Sweep(NamedTuple):
    """One sweep of a relaxation, as described to its solver.

    Attributes:
        number: index of the sweep, from 0.
        last: whether it is certain that no other sweep follows.
        settled: whether the map no longer changes.
        measured: whether the loop needs the change that the sweep makes.
    """

    number: int
    last: bool
    settled: bool
    measured: bool


class Solver(ABC):
    """A method of relaxation; a value without state of its own.

    What a solver remembers during a relaxation is its *carry*: created by :meth:`init`, passed to
    every :meth:`step`, reduced by :meth:`select` when samples have ended. A state at rest
    under plain sweeps must be at rest under the solver, and only there.
    """

    @abstractmethod
    def init(self, states: Sequence[Tensor]) -> Any:
        """The carry before the first sweep."""

    @abstractmethod
    def step(
        self, carry: Any, dynamics: Dynamics, states: list[Tensor], sweep: Sweep
    ) -> Tensor | None:
        """Make one sweep, replacing the entries of ``states``.

        Returns the squared change per sample of the plain sweep inside it, (B,), where it is
        known or ``sweep.measured`` asks for it.
        """

    @abstractmethod
    def select(self, carry: Any, rows: Tensor) -> None:
        """Continue with these rows alone."""

    @property
    @abstractmethod
    def plain(self) -> Sweeps:
        """The plain sweeps on which the solver builds."""

    def fitted(self, settings: Relaxation) -> Solver:
        """The solver to use with these settings; by default itself."""
        return self

    def after(self, free: Solution) -> Solver:
        """The solver for the nudged phases, or the adjoint solve, that follow a free phase."""
        return self

    def paces(self, carry: Any, sweeps: Tensor) -> Tensor | None:
        """The acceleration of each sample after ``sweeps``, (B,), of it, as ``Solution.paces``."""
        return None


STEPWISE_FACTOR = 1.5
"""The factor of steps whose length follows from a bound of the energy's curvature. The energy falls
with any factor below 2; with this one states rest after fewer sweeps than with 1."""

MIXED_MEMORY = 2
"""Differences of sweeps that Anderson acceleration keeps. More cost more than they save."""


class Acceleration(Enum):
    """How ``solver = auto`` accelerates the sweeps of an energy.

    Attributes:
        BY_RATE: it over-relaxes slow samples by a factor for the rate at which each converges.
        STEPWISE: it over-relaxes all samples by ``STEPWISE_FACTOR``; updates are steps over a bound
            of the energy's curvature.
        MIXED: Anderson acceleration, where a sweep costs far more than a mixture of states.
    """

    BY_RATE = "plain or over-relaxed, by sample"
    STEPWISE = f"over-relaxed by {STEPWISE_FACTOR:g}"
    MIXED = f"anderson(memory={MIXED_MEMORY})"

    @classmethod
    def suited(cls, *, stepwise: bool, nonlinear: bool, lateral: bool) -> Acceleration | None:
        """The acceleration that suits a block's couplings; None: none is known to.

        ``stepwise``: updates are steps over a bound of the curvature, which holds for layers that
        are not coupled to themselves. ``nonlinear``: a coupling has a nonlinear op. ``lateral``: a
        layer is coupled to itself.
        """
        if nonlinear and not stepwise:
            return cls.MIXED
        if nonlinear or lateral:
            return None
        return cls.STEPWISE if stepwise else cls.BY_RATE


@dataclass(frozen=True)
class Sweeps(Solver):
    """Plain sweeps, each starting where the last one ended.

    Attributes:
        schedule: the groups of layers that a sweep updates (``order.schedule``).
        damping: fraction of the old state that is kept, ``s <- damping s + (1 - damping) s'``.
        acceleration: how ``auto`` accelerates them; None: not at all.
    """

    schedule: Schedule
    damping: float = 0.0
    acceleration: Acceleration | None = None

    def init(self, states: Sequence[Tensor]) -> None:
        """Plain sweeps have no carry."""

    def step(
        self, carry: None, dynamics: Dynamics, states: list[Tensor], sweep: Sweep
    ) -> Tensor | None:
        return self.run(dynamics, states, measured=sweep.measured)

    def select(self, carry: None, rows: Tensor) -> None:
        """Plain sweeps have no carry."""

    @property
    def plain(self) -> Sweeps:
        return self

    def run(
        self,
        dynamics: Dynamics,
        states: list[Tensor],
        *,
        measured: bool,
        factors: Tensor | float | None = None,
        steps: dict[int, Tensor] | None = None,
    ) -> Tensor | None:
        """Update every layer once, replacing the entries of the list.

        Returns the squared change, if asked for. ``factors``, (B,) or one, multiply the steps; the
        change is that of the steps before. ``steps``, by layer, receives them, if given.
        """
        from ffebm_dsl.physics.layout import per_row, squared_norm

        change: Tensor | None = None
        for group in self.schedule:
            proposals = [dynamics.update(states, i) for i in group]
            for i, new in zip(group, proposals, strict=True):
                old = states[i]
                if self.damping:
                    new = new.lerp(old, self.damping)
                if measured or steps is not None:
                    step = new.detach() - old.detach()
                    square = squared_norm([step])
                    change = square if change is None else change.add_(square)
                    if steps is not None:
                        steps[i] = step
                if factors is not None:
                    rows = factors if isinstance(factors, float) else per_row(factors, old)
                    new = dynamics.admissible(i, old.lerp(new, rows))
                states[i] = new
                dynamics.moved(i)
        return change
