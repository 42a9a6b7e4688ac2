"""``solver = anderson``: Anderson acceleration of sweeps, sample by sample.

With ``g_k`` the state that sweep k makes of ``x_k`` and ``f_k = g_k - x_k``, the next sweep
starts at::

    x_{k+1} = g_k - sum_j gamma_j (g_{j+1} - g_j)
    gamma   = argmin |f_k - sum_j gamma_j (f_{j+1} - f_j)|

over the last ``memory`` differences. It only changes where sweeps start: the residual is that of a
plain sweep, and a relaxation returns the result of a plain sweep. Only the layers whose old state
a sweep reads take part; under a two-coloured order that is one colour.

Safeguards, each per sample: acceleration waits until a sweep changes little and, if the routing of
max poolings is to be frozen, until it is; the start is projected into the range of the
activations. If ``f`` does not decrease along the last step of the state, as near a saddle of the
energy, the history is dropped and the next sweep is plain, since the mixture would be attracted to
the saddle, which plain sweeps leave. If ``|f|`` grows, the history is dropped and plain sweeps
follow: one at first, then twice as many each time. Acceleration therefore cannot prevent a sample
from converging where plain sweeps would. If the least-squares problem has no finite solution, the
next sweep is plain too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ffebm_dsl.language.registry import Bounds, Kind, Parameter, SolverConstruct
from ffebm_dsl.physics.interfaces import Dynamics, Solver, Sweep, Sweeps

if TYPE_CHECKING:
    from torch import Tensor

NEAR = 0.1
"""A sample is accelerated once ``|f| / |g|`` has come below this: further out, the units that
saturate still change, and a mixture could lead to another equilibrium than plain sweeps."""

REGULARISATION = 10.0
"""Added to the normal equations, times machine precision and their largest diagonal entry."""


@dataclass(frozen=True)
class Anderson(Solver):
    """Anderson acceleration of another solver's sweeps.

    Attributes:
        memory: number of differences of earlier sweeps that are kept, 1 or more.
        layers: the layers whose old state a sweep reads (``order.carried``).
        inner: the solver that makes the sweeps.
    """

    memory: int
    layers: tuple[int, ...]
    inner: Solver

    @property
    def plain(self) -> Sweeps:
        return self.inner.plain

    def init(self, states: Sequence[Tensor]) -> Mixing:
        return Mixing(self.inner.init(states), Mixer(self.memory))

    def step(
        self, carry: Mixing, dynamics: Dynamics, states: list[Tensor], sweep: Sweep
    ) -> Tensor | None:
        if carry.before and self.layers:
            starts = carry.mixer.next(carry.before, [states[i] for i in self.layers])
            for i, start in zip(self.layers, starts, strict=True):
                states[i] = dynamics.admissible(i, start)
                dynamics.moved(i)
        # A mixture before the map has settled would lead to other choices of max poolings.
        carry.before = [states[i] for i in self.layers] if sweep.settled else []
        return self.inner.step(carry.inner, dynamics, states, sweep)

    def select(self, carry: Mixing, rows: Tensor) -> None:
        from ffebm_dsl.physics.layout import take_rows

        self.inner.select(carry.inner, rows)
        carry.mixer.select(rows)
        carry.before = [take_rows(s, rows) for s in carry.before]


@dataclass
class Mixing:
    """The carry: that of the inner solver, the history, and the start of the last sweep."""

    inner: Any
    mixer: Mixer
    before: list[Tensor] = field(default_factory=list)


class Mixer:
    """The history of one relaxation: 2 ``memory`` states of the carried layers per sample."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._history: _History | None = None
        self._last: tuple[Tensor, Tensor] | None = None
        self._backoff: _Backoff | None = None

    def next(self, before: Sequence[Tensor], after: Sequence[Tensor]) -> list[Tensor]:
        """The start of the next sweep: the carried layers, in order.

        ``before`` and ``after`` are the carried layers at the start and end of a sweep.
        """
        import torch

        from ffebm_dsl.physics.layout import flat, unflat

        g = torch.cat([flat(s) for s in after], 1)
        f = g - torch.cat([flat(s, like) for s, like in zip(before, after, strict=True)], 1)
        start = self._mixed(f, g)
        self._last = f, g
        parts = start.split([s[0].numel() for s in after], 1)
        # Autograd lets none of several views be clipped in place.
        parts = [part.clone() for part in parts] if start.requires_grad else parts
        return [unflat(part, s) for part, s in zip(parts, after, strict=True)]

    def select(self, rows: Tensor) -> None:
        """Continue with these rows alone."""
        if self._last is not None:
            self._last = self._last[0][rows], self._last[1][rows]
        for part in (self._history, self._backoff):
            if part is not None:
                part.select(rows)

    def _mixed(self, f: Tensor, g: Tensor) -> Tensor:
        import torch

        size = torch.linalg.vector_norm(f, dim=1)
        if self._last is None or self._backoff is None:
            self._backoff = _Backoff(size)
            return g
        if self._history is None:
            self._history = _History(f, self._memory)
        step, state = f - self._last[0], g - self._last[1]
        self._history.enter(step, state)
        far = size > NEAR * torch.linalg.vector_norm(g, dim=1)
        rising = (step * (state - step)).sum(1) >= 0  # f, against the way from x to the next x
        self._history.drop(self._backoff.suspended(size, far) | rising)
        return self._history.mixed(f, g)


class _History:
    """The last differences of the steps f and of the states g, and their inner products."""

    def __init__(self, like: Tensor, memory: int) -> None:
        self._memory, self._count = memory, 0
        self._steps = like.new_zeros(len(like), memory, like.shape[1])
        self._states = self._steps.clone()
        self._gram = like.new_zeros(len(like), memory, memory)

    def enter(self, step: Tensor, state: Tensor) -> None:
        slot = self._count % self._memory
        self._count += 1
        self._keep_what_is_recorded(step)
        self._steps[:, slot], self._states[:, slot] = step, state
        products = self._steps.bmm(step.unsqueeze(2)).squeeze(2)
        self._gram[:, slot], self._gram[:, :, slot] = products, products

    def drop(self, rows: Tensor) -> None:
        """Drop the history of these samples, (rows,) bool; an empty history changes nothing."""
        self._keep_what_is_recorded(self._steps)
        for part in (self._steps, self._states, self._gram):
            part.masked_fill_(rows.view(-1, 1, 1), 0.0)

    def _keep_what_is_recorded(self, of: Tensor) -> None:
        """Write to copies where autograd records, as it needs the history as it was."""
        if of.requires_grad:
            parts = (self._steps, self._states, self._gram)
            self._steps, self._states, self._gram = (part.clone() for part in parts)

    def mixed(self, f: Tensor, g: Tensor) -> Tensor:
        weights = _solve(self._gram, self._steps.bmm(f.unsqueeze(2)))
        back = weights.transpose(1, 2).bmm(self._states).squeeze(1)
        return g - back

    def select(self, rows: Tensor) -> None:
        self._steps, self._states = self._steps[rows], self._states[rows]
        self._gram = self._gram[rows]


class _Backoff:
    """After a failure of acceleration a sample takes plain sweeps, twice as many each time."""

    def __init__(self, size: Tensor) -> None:
        self._last_size = size
        self._wait = size.new_zeros(size.shape)
        self._penalty = size.new_ones(size.shape)

    def suspended(self, size: Tensor, far: Tensor) -> Tensor:
        """The samples whose next sweep is not accelerated, (rows,), given ``|f|``."""
        failed = ~(size <= self._last_size) & (self._wait == 0) & ~far
        self._wait = self._penalty.where(failed, (self._wait - 1).clamp_min(0.0))
        self._penalty = (2 * self._penalty).where(failed, self._penalty)
        waiting = far | (self._wait > 0)
        self._last_size = size
        return waiting

    def select(self, rows: Tensor) -> None:
        self._last_size = self._last_size[rows]
        self._wait, self._penalty = self._wait[rows], self._penalty[rows]


def _solve(gram: Tensor, against: Tensor) -> Tensor:
    """``gram^-1 against``, (B, m, 1); an entry never filled gets 0, a failed sample all 0."""
    import torch

    diagonal = gram.diagonal(dim1=1, dim2=2)
    largest = diagonal.amax(1, keepdim=True)
    shift = REGULARISATION * torch.finfo(gram.dtype).eps * largest
    filled = torch.where(diagonal > 0, diagonal + shift, 1.0)
    system = torch.diagonal_scatter(gram, filled, dim1=1, dim2=2)
    weights, failed = torch.linalg.solve_ex(system, against)
    right = (failed == 0).view(-1, 1, 1) & weights.isfinite().all(1, keepdim=True)
    return torch.where(right, weights, 0.0)


CONSTRUCT = SolverConstruct(
    "anderson",
    "each sweep starts at a mixture of earlier ones that shortens the way",
    (
        Parameter(
            "memory", Kind.INT, "differences of sweeps that are kept", 5, Bounds(low=1, high=100)
        ),
    ),
    equation="x[k+1] = g[k] - sum over j of c[j] (g[j+1] - g[j]), g[k] the sweep of x[k], "
    "c = argmin |f[k] - sum over j of c[j] (f[j+1] - f[j])|, f[k] = g[k] - x[k]",
    source="Anderson 1965 (J. ACM 12); Walker and Ni 2011 (SIAM J. Numer. Anal. 49)",
    deviations=(
        "per sample, from |f| / |g| < 0.1 on; where f does not fall along the way or |f| grows, "
        "the history is dropped and plain sweeps follow",
    ),
    make=lambda arguments, sweeps, read: Anderson(arguments["memory"], read, sweeps),
)
