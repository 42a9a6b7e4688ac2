"""``solver = auto``: plain sweeps, over-relaxed for samples that converge slowly.

A free phase begins with plain sweeps. After ``FIRST`` of them, the last two steps ``f`` of a sample
give the rate at which they shrink, and the number of plain sweeps left::

    l = <f_k, f_{k-1}> / |f_{k-1}|^2,    left = log(residual / tolerance) / log(1 / l)

A sample is slow where ``l`` is above ``SLOW``, no less than ``ALIGNED`` of ``|f_k| / |f_{k-1}|``,
and ``left`` is at least ``LONG``. It is then over-relaxed by the best factor for that rate
(``over_relaxation.best_factor``), which is updated each time. The second time that its steps do not
shrink faster than before, it returns to plain sweeps for good. Samples whose steps oscillate (``l``
below 0), turn or grow keep plain sweeps. The next look is after twice as many sweeps, whatever was
found, so that the factor of a sample depends on its own steps only.

Nudged phases and adjoint solves use the factors found in the free phase, the same in all phases
that are contrasted. Samples whose free phase did not converge take plain sweeps in them: factors
near 2 overshoot at first, and such a sample needs more sweeps than the phase has. Sweeps stay plain
if the tolerance is 0, with noise, while routings follow the state, if two coupled layers are
updated together, if a layer is coupled to itself, and if damping or over-relaxation is given.

Where updates are steps over a bound of the curvature, of oscillators and of layers with terms, all
samples are over-relaxed by one factor (``STEPWISE_FACTOR``) from the first sweep on.

Where a coupling has a nonlinear op, sweeps after the first ``UNMIXED`` are accelerated by
Anderson's method with ``MIXED_MEMORY``. Elsewhere it is not used: in a small network a sweep with
it takes up to twice as long as a plain one, for all samples as long as one is under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.solvers.anderson import Anderson, Mixing
from ffebm_dsl.language.registry import Arguments, SolverConstruct
from ffebm_dsl.physics.interfaces import (
    MIXED_MEMORY,
    STEPWISE_FACTOR,
    Acceleration,
    Dynamics,
    Relaxation,
    Solution,
    Solver,
    Status,
    Sweep,
    Sweeps,
)

if TYPE_CHECKING:
    from torch import Tensor

FIRST = 10
"""Sweeps before the first look. Blocks with fresh weights have mostly come to rest by then."""

SLOW = 0.5
"""Steps that shrink by less than this are slow."""

ALIGNED = 0.9
"""Steps that are this much of what they were along the steps before keep their direction."""

LONG = 6
"""Plain sweeps still to go that are worth it."""

UNMIXED = 5
"""Sweeps before Anderson's method begins, for the same reason as ``FIRST``. It looks at two sweeps
before it makes a mixture."""


@dataclass(frozen=True)
class Auto(Solver):
    """Plain sweeps, and over-relaxed ones for slow samples.

    Attributes:
        inner: the plain sweeps.
        tolerance: tolerance of the phase.
        given: factors found in another phase, (B,), as ``Solution.paces``; None: none yet.
    """

    inner: Sweeps
    tolerance: float = 0.0
    given: Tensor | None = field(default=None, compare=False)

    @property
    def plain(self) -> Sweeps:
        return self.inner

    def fitted(self, settings: Relaxation) -> Solver:
        if settings.tolerance == 0 or settings.noisy:
            return self.inner
        return replace(self, tolerance=settings.tolerance)

    def after(self, free: Solution) -> Solver:
        if free.paces is None:
            return self.inner
        given = free.paces.masked_fill(free.status != Status.CONVERGED, 1.0)
        return replace(self, given=given) if bool((given > 1).any()) else self.inner

    def init(self, states: Sequence[Tensor]) -> _Paces:
        batch = len(states[0])
        carry = _Paces(batch)
        if self.given is not None:
            carry.take(self.given.repeat(batch // len(self.given)))
        return carry

    def step(
        self, carry: _Paces, dynamics: Dynamics, states: list[Tensor], sweep: Sweep
    ) -> Tensor | None:
        if not sweep.settled or dynamics.live:
            return self.inner.run(dynamics, states, measured=sweep.measured)
        carry.made += 1
        looking = self.given is None and carry.made >= carry.next - 1
        steps: dict[int, Tensor] | None = {} if looking else None
        change = self.inner.run(
            dynamics,
            states,
            measured=sweep.measured,
            factors=None if sweep.last else carry.factors,
            steps=steps,
        )
        if steps and change is not None:
            carry.look(list(steps.values()), change, states, self.tolerance)
        return change

    def select(self, carry: _Paces, rows: Tensor) -> None:
        carry.select(rows)

    def paces(self, carry: _Paces, sweeps: Tensor) -> Tensor | None:
        return carry.found


@dataclass(frozen=True)
class Mixed(Anderson):
    """Anderson acceleration of plain sweeps, where there is a tolerance and no noise."""

    def fitted(self, settings: Relaxation) -> Solver:
        return self.plain if settings.tolerance == 0 or settings.noisy else self

    def step(
        self, carry: Mixing, dynamics: Dynamics, states: list[Tensor], sweep: Sweep
    ) -> Tensor | None:
        if sweep.number < UNMIXED:
            return self.plain.run(dynamics, states, measured=sweep.measured)
        return super().step(carry, dynamics, states, sweep)

    def paces(self, carry: Mixing, sweeps: Tensor) -> Tensor:
        return 1 + (sweeps > UNMIXED + 2).int()


@dataclass(frozen=True)
class Stretched(Solver):
    """Sweeps that are over-relaxed by one factor; the last one is plain."""

    inner: Sweeps
    factor: float = STEPWISE_FACTOR

    @property
    def plain(self) -> Sweeps:
        return self.inner

    def fitted(self, settings: Relaxation) -> Solver:
        return self.inner if settings.tolerance == 0 or settings.noisy else self

    def init(self, states: Sequence[Tensor]) -> Tensor:
        return states[0].new_full((len(states[0]),), self.factor)

    def step(
        self, carry: Tensor, dynamics: Dynamics, states: list[Tensor], sweep: Sweep
    ) -> Tensor | None:
        plainly = sweep.last or not sweep.settled or dynamics.live
        factor = None if plainly else self.factor
        return self.inner.run(dynamics, states, measured=sweep.measured, factors=factor)

    def select(self, carry: Tensor, rows: Tensor) -> None:
        """All samples have one factor."""

    def paces(self, carry: Tensor, sweeps: Tensor) -> Tensor:
        return carry


class _Paces:
    """The carry: the factor of each sample, 1 for plain sweeps."""

    def __init__(self, batch: int) -> None:
        self.made, self.next = 0, FIRST
        self._before: tuple[list[Tensor], Tensor] | None = None  # steps and their squared norms
        self.factors: Tensor | None = None  # of the rows under way; None: all are plain
        self.found: Tensor | None = None  # of the batch
        self._batch = batch
        self._rows: Tensor | None = None  # which of the batch are under way; None: all
        self._limit: Tensor | None = None  # what the growth of accelerated steps must be below
        self._failed: Tensor | None = None  # whether it once was not

    def look(
        self, steps: list[Tensor], change: Tensor, states: Sequence[Tensor], tolerance: float
    ) -> None:
        """Note the steps of a sweep, (rows, *layer shape) each; at the second one, judge."""
        before, self._before = self._before, (steps, change)
        if self.made < self.next or before is None:
            return
        self._before = None
        factors = self._judged(before, (steps, change), states, tolerance)
        self.next *= 2
        if factors is not None:
            self.take(factors)

    def _judged(
        self,
        before: tuple[list[Tensor], Tensor],
        now: tuple[list[Tensor], Tensor],
        states: Sequence[Tensor],
        tolerance: float,
    ) -> Tensor | None:
        """The new factor of every row, (rows,); None if none changes."""
        import torch

        from ffebm_dsl.physics.layout import squared_norm
        from ffebm_dsl.physics.relaxation.over_relaxation import best_factor, contraction
        from ffebm_dsl.physics.relaxation.samples import ratio

        plain, growth = self.factors is None, ratio(now[1], before[1])
        if plain and not bool((growth > SLOW).any()):
            return None
        excess = ratio(now[1], squared_norm(states)) / tolerance
        # The rate is at most the growth, which costs nothing further.
        if plain and not bool(_slow(growth, excess).any()):
            return None
        rate = contraction(before[0], now[0])
        slow = _slow(rate, excess) & (rate < 1) & (rate >= ALIGNED * growth)
        factors = torch.ones_like(rate) if self.factors is None else self.factors
        if self._limit is None or self._failed is None:
            self._limit, self._failed = torch.full_like(rate, torch.inf), rate > torch.inf
        failing = (factors > 1) & ~(growth < self._limit)
        lost = failing & self._failed
        slow &= (growth < self._limit) | (failing & ~lost)
        if plain and not bool(slow.any()):
            return None
        # The first rate may have been too small, so a factor is corrected once.
        begun = slow & ((factors == 1) | failing)
        self._limit = torch.where(begun, growth, self._limit).masked_fill(lost, 0.0)
        self._failed = self._failed | failing
        best = best_factor(rate, factors)
        return torch.where(slow, best, factors).masked_fill(lost, 1.0)

    def take(self, factors: Tensor) -> None:
        """Continue with these factors, (rows,)."""
        self.factors = factors
        if self._rows is None:
            self.found = factors
            return
        before = factors.new_ones(self._batch) if self.found is None else self.found
        self.found = before.index_copy(0, self._rows, factors)

    def select(self, rows: Tensor) -> None:
        from ffebm_dsl.physics.layout import take_rows

        self._rows = rows if self._rows is None else self._rows[rows]
        if self._before is not None:
            steps, change = self._before
            self._before = [take_rows(step, rows) for step in steps], change[rows]
        if self.factors is not None:
            self.factors = self.factors[rows]
        if self._limit is not None and self._failed is not None:
            self._limit, self._failed = self._limit[rows], self._failed[rows]


def _slow(rate: Tensor, excess: Tensor) -> Tensor:
    """Mask of the rows that need ``LONG`` sweeps at this rate until their ``excess`` is 1."""
    return (rate > SLOW) & (excess >= rate**-LONG)


def _make(arguments: Arguments, sweeps: Solver, read: tuple[int, ...]) -> Solver:
    if not isinstance(sweeps, Sweeps) or sweeps.damping:
        return sweeps
    match sweeps.acceleration:
        case Acceleration.BY_RATE:
            return Auto(sweeps)
        case Acceleration.STEPWISE:
            return Stretched(sweeps)
        case Acceleration.MIXED:
            return Mixed(MIXED_MEMORY, read, sweeps)
    return sweeps


CONSTRUCT = SolverConstruct(
    "auto",
    "plain sweeps, over-relaxed ones for samples that are slow",
    equation="s <- clip(s + w (sigma(v) - s)), w = 2 / (1 + sqrt(1 - l)) where l > 0.5, else 1; "
    "l = <f[k], f[k-1]> / |f[k-1]|^2, f[k] the step of sweep k",
    source="Young 1954 (Trans. Amer. Math. Soc. 76)",
    deviations=(
        "per sample, from the tenth sweep on, where six or more are left; plain with "
        "tolerance 0, noise, live max pooling, stated damping or over_relaxation, and where "
        "coupled layers move together; oscillators and layers with terms: w = 1.5 in every sweep; "
        "couplings with a nonlinear op: from the sixth sweep on Anderson acceleration, memory 2",
    ),
    make=_make,
    noisy=True,
)
