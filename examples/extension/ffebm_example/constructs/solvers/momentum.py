"""``solver = momentum``: each sweep starts from an extrapolation of the previous ones.

If sweep k gave the state ``g_k``, the next one starts at ``g_k + m (g_k - g_{k-1})``. The fixed
points are those of plain sweeps, since a relaxation measures and returns the sweep's own result. A
sample's ``m`` is halved if a sweep changes no less than the one before, or reverses it. Samples
that momentum does not suit, such as those that oscillate, thus end with plain sweeps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ffebm_dsl.language.registry import Kind, Parameter, SolverConstruct
from ffebm_dsl.language.registry.parameters import FRACTION
from ffebm_dsl.physics.interfaces import Dynamics, Solver, Sweep, Sweeps, inner, per_sample

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Momentum(Solver):
    """Momentum on another solver's sweeps.

    Attributes:
        weight: the factor m of the extrapolation, 0 to 1.
        layers: the layers whose old state a sweep depends on.
        inner: the solver that makes the sweeps.
    """

    weight: float
    layers: tuple[int, ...]
    inner: Solver

    @property
    def plain(self) -> Sweeps:
        return self.inner.plain

    def init(self, states: Sequence[Tensor]) -> _Ends:
        like, rows = states[0], (len(states[0]),)
        weights, change = like.new_full(rows, self.weight), like.new_full(rows, math.inf)
        return _Ends(self.inner.init(states), weights, change)

    def step(
        self, carry: _Ends, dynamics: Dynamics, states: list[Tensor], sweep: Sweep
    ) -> Tensor | None:
        # Before the routing is frozen, extrapolation would lead to other choices of poolings.
        ends = [states[i] for i in self.layers] if sweep.settled else []
        for i, last, end in zip(self.layers, carry.last, ends, strict=False):
            further = end + per_sample(carry.weights, end) * (end - last)
            states[i] = dynamics.admissible(i, further)
            dynamics.moved(i)
        carry.last, starts = ends, [states[i].detach() for i in self.layers]
        change = self.inner.step(carry.inner, dynamics, states, sweep._replace(measured=True))
        steps = [states[i].detach() - s for i, s in zip(self.layers, starts, strict=True)]
        if change is not None and steps:
            carry.observe(change, steps)
        return change

    def select(self, carry: _Ends, rows: Tensor) -> None:
        from ffebm_dsl.physics.layout import take_rows

        self.inner.select(carry.inner, rows)
        carry.weights, carry.change = carry.weights[rows], carry.change[rows]
        carry.last = [take_rows(s, rows) for s in carry.last]
        carry.steps = [take_rows(s, rows) for s in carry.steps]


@dataclass
class _Ends:
    """State of the last sweep: momentum and squared change, (B,); end and step."""

    inner: Any
    weights: Tensor
    change: Tensor
    last: list[Tensor] = field(default_factory=list)
    steps: list[Tensor] = field(default_factory=list)

    def observe(self, change: Tensor, steps: list[Tensor]) -> None:
        """Halve the momentum of the samples that it does not suit."""
        suited = change < self.change
        if self.steps:
            pairs = zip(steps, self.steps, strict=True)
            suited &= sum((inner(a, b) for a, b in pairs), change.new_zeros(())) > 0
        self.weights = self.weights.where(suited, self.weights / 2)
        self.change, self.steps = change, steps


CONSTRUCT = SolverConstruct(
    "momentum",
    "each sweep starts beyond where the last one ended",
    (Parameter("weight", Kind.REAL, "momentum m", 0.5, FRACTION),),
    equation="x[k+1] = g[k] + m (g[k] - g[k-1]), g[k] the sweep of x[k]",
    source="Polyak 1964 (USSR Comput. Math. Math. Phys. 4)",
    deviations=("of sweeps, not of gradient steps; m is halved where a sample swings",),
    make=lambda arguments, sweeps, read: Momentum(arguments["weight"], read, sweeps),
)
