"""One loop that relaxes any dynamics to its fixed point, sample by sample.

A sample that has converged or diverged is left where it is, so its result does not
depend on the other samples of its batch. Nothing returns a bare state: a
:class:`Solution` says how far each sample got.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ffebm_dsl.physics.energy.kernels import take_rows
from ffebm_dsl.physics.relaxation.anderson import Mixer
from ffebm_dsl.physics.relaxation.layout import per_row, squared_norm
from ffebm_dsl.physics.relaxation.over_relaxation import Pace
from ffebm_dsl.physics.relaxation.samples import GATHER_BELOW, Samples, relative
from ffebm_dsl.physics.relaxation.solution import Relaxation, Solution


class Dynamics(Protocol):
    """What can be relaxed: a map of the whole state, layer by layer."""

    def update(self, state: Sequence[Tensor], layer: int) -> Tensor:
        """The new state of ``layer``, (B, *layer shape)."""

    def moved(self, layer: int) -> None:
        """``layer`` has changed: what was kept from its old state is stale."""

    @property
    def choosing(self) -> bool:
        """Whether max poolings choose anew whenever a state moves."""

    def freeze_routing(self, state: Sequence[Tensor]) -> None:
        """From now on keep the choices of the max poolings at ``state``."""

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        """``s``, which may be overwritten, brought into the range of the layer's states."""

    def select(self, rows: Tensor) -> Dynamics:
        """The dynamics of the samples ``rows`` (indices into the batch) alone."""


def relax(dynamics: Dynamics, state: Sequence[Tensor], settings: Relaxation) -> Solution:
    """Sweep until every sample has converged or the sweeps are used up.

    ``state`` is where to start, one tensor (B, *layer shape) per layer; it is not changed.
    With tolerance 0 sweeps are measured midway and at the end only. With a graph enabled the
    sweeps are recorded by autograd.
    """
    samples = Samples(state, settings)
    running, states = dynamics, list(state)
    mixer = Mixer(settings.solver) if settings.solver else None
    # What accelerates would lead to other choices of max poolings that are still to be frozen.
    begin = max(settings.routing_after, 0) if dynamics.choosing else 0
    pace = Pace(settings, state[0], begin) if settings.over_relaxation > 1 else None
    for sweep in range(settings.sweeps):
        if sweep == settings.routing_after:
            if samples.any_aside:
                states = samples.merged(states)
                _forget(dynamics, states)
            dynamics.freeze_routing(states)
        before = list(states)
        measured = settings.measured(sweep + 1)
        if settings.swing_begins(sweep):
            samples.remember(states)
        factors = pace.factors(sweep) if pace else None
        steps: dict[int, Tensor] | None = {} if pace else None
        change = _sweep(running, states, settings, measured, factors, steps)
        if change is not None and measured:
            samples.observe(sweep + 1, states, change)
        if pace and steps and change is not None:
            pace.observe(sweep, relative(change, states), list(steps.values()))
        left = samples.left(sweep + 1) if settings.tolerance > 0 else None
        if left == 0 or sweep == settings.sweeps - 1:
            break
        if mixer and sweep >= begin:
            _accelerate(mixer, running, before, states)
        # The caller's dynamics must see every sample when the routing is frozen.
        may_gather = sweep >= settings.routing_after
        if left is not None and may_gather and left <= GATHER_BELOW * len(states[0]):
            rows = samples.gather(states)
            running, states = running.select(rows), [take_rows(s, rows) for s in states]
            for part in (mixer, pace):
                if part:
                    part.select(rows)
    solution = samples.solution(states)
    if running is not dynamics or samples.any_aside:
        _forget(dynamics, solution.state)
    return solution


def _sweep(
    dynamics: Dynamics,
    states: list[Tensor],
    settings: Relaxation,
    measured: bool,
    factors: Tensor | None,
    steps: dict[int, Tensor] | None,
) -> Tensor | None:
    """Update every layer once, in place of the list; the squared change per sample, if asked.

    ``factors``, (B,), stretch the steps. The change is that of the steps as they were before;
    ``steps``, by layer, receives them, if given.
    """
    change: Tensor | None = None
    for group in settings.schedule:
        proposals = [dynamics.update(states, i) for i in group]
        for i, new in zip(group, proposals, strict=True):
            old = states[i]
            if settings.damping:
                new = torch.lerp(new, old, settings.damping)
            if measured or steps is not None:
                step = new.detach() - old.detach()
                square = squared_norm([step])
                change = square if change is None else change + square
                if steps is not None:
                    steps[i] = step
            if factors is not None:
                new = dynamics.admissible(i, torch.lerp(old, new, per_row(factors, old)))
            states[i] = new
            dynamics.moved(i)
    return change


def forward_pass(dynamics: Dynamics, state: Sequence[Tensor]) -> list[Tensor]:
    """One layer after the other from a start at rest, each from those before it alone.

    ``dynamics`` must know of the rest: it is what leaves out the layers still to come.
    """
    states = list(state)
    for layer in range(len(states)):
        states[layer] = dynamics.update(states, layer)
        dynamics.moved(layer)
    return states


def _accelerate(
    mixer: Mixer, dynamics: Dynamics, before: list[Tensor], states: list[Tensor]
) -> None:
    """Replace the states that the next sweep reads by where it had better start."""
    layers = mixer.layers
    if not layers:
        return
    starts = mixer.next([before[i] for i in layers], [states[i] for i in layers])
    for i, start in zip(layers, starts, strict=True):
        states[i] = dynamics.admissible(i, start)
        dynamics.moved(i)


def _forget(dynamics: Dynamics, states: Sequence[Tensor]) -> None:
    for layer in range(len(states)):
        dynamics.moved(layer)
