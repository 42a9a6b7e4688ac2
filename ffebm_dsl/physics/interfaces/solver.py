"""What a solver of relaxations offers, and the plain sweep that all of them are built on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    from ffebm_dsl.physics.interfaces.relaxation import Relaxation, Solution

Schedule: TypeAlias = tuple[tuple[int, ...], ...]
"""The groups of layer indices that a sweep updates: a group's layers together, from the same
state, and the groups one after the other."""


class Dynamics(Protocol):
    """What can be relaxed: a map of the whole state, layer by layer."""

    @property
    def changes_after(self) -> int:
        """The sweeps after which the map is changed, once, by :meth:`change`; -1: never."""

    @property
    def live(self) -> bool:
        """Whether choices, such as those of max poolings, still follow the state."""

    @property
    def periodic(self) -> bool:
        """Whether states are angles, whose growth is no divergence."""

    def update(self, state: Sequence[Tensor], layer: int) -> Tensor:
        """The new state of ``layer``, (B, *layer shape)."""

    def moved(self, layer: int) -> None:
        """``layer`` has changed: what was kept from its old state is stale."""

    def change(self, state: Sequence[Tensor]) -> None:
        """Become the map that it is from here on, at ``state``."""

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        """``s``, which may be overwritten, brought into the range of the layer's states."""

    def select(self, rows: Tensor) -> Dynamics:
        """The dynamics of the samples ``rows`` (indices into the batch) alone."""


class Sweep(NamedTuple):
    """One sweep of a relaxation, as its solver sees it.

    Attributes:
        number: counted from 0.
        last: whether no other sweep follows in any case.
        settled: whether the map is already the one that the relaxation ends with.
        measured: whether the loop asks for the change that the sweep makes.
    """

    number: int
    last: bool
    settled: bool
    measured: bool


class Solver(ABC):
    """A way to get from one state to the next; a value, without memory of its own.

    What a solver remembers of a relaxation is its *carry*: made by :meth:`init`, handed to
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
        """Sweep once, replacing the entries of ``states``.

        Returns the squared change per sample of the plain sweep inside it, (B,), where it is
        known or ``sweep.measured`` asks for it.
        """

    @abstractmethod
    def select(self, carry: Any, rows: Tensor) -> None:
        """Go on with these rows alone."""

    @property
    @abstractmethod
    def plain(self) -> Sweeps:
        """The sweeps that the solver is built on, without what accelerates them."""

    def fitted(self, settings: Relaxation) -> Solver:
        """The solver for phases of these settings; most are one for all."""
        return self

    def after(self, free: Solution) -> Solver:
        """The solver for what follows a free phase: nudged phases, or an adjoint solve."""
        return self

    def paces(self, carry: Any) -> Tensor | None:
        """What the solver made of each sample, as ``Solution.paces``; None for nothing."""
        return None


@dataclass(frozen=True)
class Sweeps(Solver):
    """Plain sweeps, each starting where the last one ended.

    Attributes:
        schedule: the groups of layers that a sweep updates (``order.schedule``).
        damping: part of the old state that is kept, ``s <- damping s + (1 - damping) s'``.
        separate: whether no two layers of a group are coupled, nor one to itself.
    """

    schedule: Schedule
    damping: float = 0.0
    separate: bool = False

    def init(self, states: Sequence[Tensor]) -> None:
        """Nothing is remembered."""

    def step(
        self, carry: None, dynamics: Dynamics, states: list[Tensor], sweep: Sweep
    ) -> Tensor | None:
        return self.run(dynamics, states, measured=sweep.measured)

    def select(self, carry: None, rows: Tensor) -> None:
        """Nothing is remembered."""

    @property
    def plain(self) -> Sweeps:
        return self

    def run(
        self,
        dynamics: Dynamics,
        states: list[Tensor],
        *,
        measured: bool,
        factors: Tensor | None = None,
        steps: dict[int, Tensor] | None = None,
    ) -> Tensor | None:
        """Update every layer once, in place of the list; the squared change, if asked.

        ``factors``, (B,), stretch the steps. The change is that of the steps as they were
        before; ``steps``, by layer, receives them, if given.
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
                    new = dynamics.admissible(i, old.lerp(new, per_row(factors, old)))
                states[i] = new
                dynamics.moved(i)
        return change
