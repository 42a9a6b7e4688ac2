"""Projected successive over-relaxation, sample by sample (Young 1954; Cryer 1971).

An over-relaxed sweep takes every layer further than a plain one would, and no further than
its activation's range::

    s  <-  P(s + omega (sigma(v) - s)),    1 <= omega < 2

A state is at rest under it exactly where it is at rest under plain sweeps. Where no two
layers of a group are coupled and ``G`` is quadratic on its range (identity, relu,
hard_sigmoid), every update of a group lowers the energy for any omega below 2: each step goes
towards the minimum of ``s^2 / 2a - v s`` and ends on its far side, lower than it began. This
also holds under live max poolings if the states they meet are not negative, since phi is then
convex in their source. For other activations over-relaxation is a heuristic that relies on the
safeguard below.

Sweeps are plain until the max poolings of a phase are frozen, as these sweeps decide which
equilibrium a sample reaches. Residuals are those of the steps ``sigma(v) - s`` before they are
multiplied by omega. They and the tolerance therefore mean the same as in plain sweeps, and a
sample may end with an over-relaxed sweep. The
last sweep of a phase is a plain one.

Slow samples: the rate at which a sample's steps shrink is ``l = <f_k, f_{k-1}> / |f_{k-1}|^2``.
For two groups of layers Young's theory gives the best omega::

    omega_best = 2 / (1 + sqrt(1 - mu^2)),    mu^2 = (l + omega - 1)^2 / (l omega^2)

If ``l`` is above ``SLOW``, the next sweep of the sample uses it, up to ``FURTHEST``. This also
passes saddles of the energy sooner, where steps grow in one direction.

Safeguard: if an over-relaxed sweep increases the residual of a sample and ``l`` is not above
``SLOW``, plain sweeps follow: one at first, then twice as many each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ffebm_dsl.physics.interfaces import Dynamics, Solver, Sweep, Sweeps
from ffebm_dsl.physics.layout import flat, squared_norm, take_rows
from ffebm_dsl.physics.relaxation.samples import ratio

SLOW = 0.5
"""Steps that shrink by less than this are worth a larger omega than the one that was asked for."""

FURTHEST = 1.8
"""The largest omega that a slow sample is given."""


@dataclass(frozen=True)
class OverRelaxation(Solver):
    """Over-relaxed sweeps with a factor ``omega`` above 1 and below 2.

    Attributes:
        omega: initial factor of every step, before it is adapted to each sample.
        inner: the plain sweeps.
    """

    omega: float
    inner: Sweeps

    @property
    def plain(self) -> Sweeps:
        return self.inner

    def init(self, states: Sequence[Tensor]) -> Omegas:
        return Omegas(self.omega, states[0])

    def step(
        self, carry: Omegas, dynamics: Dynamics, states: list[Tensor], sweep: Sweep
    ) -> Tensor | None:
        steps: dict[int, Tensor] = {}
        stretching = sweep.settled and not sweep.last
        factors = carry.factors if stretching else None
        change = self.inner.run(dynamics, states, measured=True, factors=factors, steps=steps)
        if change is not None:
            residual = ratio(change, squared_norm(states))
            carry.observe(residual, list(steps.values()), stretching=stretching)
        return change

    def select(self, carry: Omegas, rows: Tensor) -> None:
        carry.select(rows)


class Omegas:
    """The relaxation factor of each sample's next sweep, ``factors``, (rows,)."""

    def __init__(self, omega: float, like: Tensor) -> None:
        ones = torch.ones(len(like), dtype=like.dtype, device=like.device)
        self._omega = omega
        self.factors = ones * omega
        self._residual = ones * torch.inf
        self._wait = torch.zeros_like(ones)
        self._penalty = ones
        self._steps: list[Tensor] = []

    def observe(self, residual: Tensor, steps: list[Tensor], *, stretching: bool) -> None:
        """Adapt the factors to a sweep, given its residual per sample and its plain steps."""
        rate, self._steps = contraction(self._steps, steps), steps
        if not stretching:
            return
        stretched = self.factors > 1
        slow = stretched & (rate > SLOW)
        failed = stretched & ~slow & ~(residual <= self._residual)
        self._residual = torch.where(stretched, residual, self._residual)
        self._wait = torch.where(failed, self._penalty, (self._wait - 1).clamp_min(0.0))
        self._penalty = torch.where(failed, 2 * self._penalty, self._penalty)
        omega = torch.where(slow, self._best(rate), self._omega)
        self.factors = torch.where(self._wait > 0, torch.ones_like(residual), omega)

    def select(self, rows: Tensor) -> None:
        """Continue with these rows alone."""
        self.factors, self._residual = self.factors[rows], self._residual[rows]
        self._wait, self._penalty = self._wait[rows], self._penalty[rows]
        self._steps = [take_rows(step, rows) for step in self._steps]

    def _best(self, rate: Tensor) -> Tensor:
        """The omega under which samples of this rate converge fastest."""
        rate = rate.clamp(SLOW, 1.0)
        best = best_factor(rate, torch.full_like(rate, self._omega))
        return best.clamp(self._omega, max(FURTHEST, self._omega))


def best_factor(rate: Tensor, omega: Tensor) -> Tensor:
    """Young's best factor, up to ``FURTHEST``, for steps that shrink at this rate."""
    squared = (rate + omega - 1).square() / (rate * omega.square())
    return (2 / (1 + (1 - squared).clamp_min(0.0).sqrt())).clamp_max(FURTHEST)


def contraction(before: Sequence[Tensor], steps: Sequence[Tensor]) -> Tensor:
    """The rate ``l`` at which steps shrink, (rows,); 0 where the steps before were zero."""
    if not before:
        return torch.zeros_like(steps[0].flatten(1)[:, 0])
    pairs = zip(before, steps, strict=True)
    inner = torch.stack([(flat(a, b) * flat(b)).sum(1) for a, b in pairs]).sum(0)
    return inner / squared_norm(before).clamp_min(torch.finfo(inner.dtype).tiny)
