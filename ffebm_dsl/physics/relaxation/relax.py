"""The loop that relaxes any dynamics to a fixed point by any solver, sample by sample.

The state of a sample that has converged or diverged no longer changes, so its result does not
depend on the other samples of the batch. The :class:`Solution` reports how each sample ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ffebm_dsl.physics.interfaces import Dynamics, Relaxation, Solution, Status, Sweep
from ffebm_dsl.physics.layout import take_rows
from ffebm_dsl.physics.relaxation.full_length import FullLength
from ffebm_dsl.physics.relaxation.samples import Samples
from ffebm_dsl.physics.relaxation.to_tolerance import ToTolerance


def relax(dynamics: Dynamics, state: Sequence[Tensor], settings: Relaxation) -> Solution:
    """Sweep until every sample has converged or the sweeps are used up.

    ``state`` is the initial state, one tensor (B, *layer shape) per layer; it is not modified.
    With tolerance 0 only a sweep midway and the last one are measured. Where gradients are
    enabled, autograd records the sweeps.
    """
    if settings.sweeps == 0:
        return _unswept(state)
    kind: type[Samples] = ToTolerance if settings.tolerance > 0 else FullLength
    samples = kind(state, settings, may_grow=dynamics.may_grow)
    running, states = dynamics, list(state)
    solver, changes_after = settings.solver.fitted(settings), dynamics.changes_after
    carry = solver.init(states)
    for index in range(settings.sweeps):
        if index == changes_after:
            if samples.any_apart:
                states = samples.merged(states)
                _forget(dynamics, states)
            dynamics.change(states)
        last, settled = index == settings.sweeps - 1, index >= changes_after
        sweep = Sweep(index, last, settled, samples.due(index + 1))
        change = solver.step(carry, running, states, sweep)
        samples.passed(index + 1, states)
        if not sweep.measured or change is None:
            continue
        samples.observe(index + 1, states, change)
        if not samples.left:
            break
        # A change of the dynamics must see every sample, so rows are gathered after it.
        if settled and samples.gathers:
            rows = samples.gather()
            running, states = running.select(rows), [take_rows(s, rows) for s in states]
            solver.select(carry, rows)
    solution = samples.solution(states)
    solution = replace(solution, paces=solver.paces(carry, solution.sweeps))
    if running is not dynamics or samples.any_apart:
        _forget(dynamics, solution.state)
    return solution


def forward_pass(dynamics: Dynamics, state: Sequence[Tensor]) -> list[Tensor]:
    """One update of each layer in turn, from zero, using only the layers before it.

    ``dynamics`` must have been created with ``from_zero``: it leaves out the layers that follow.
    """
    states = list(state)
    for layer in range(len(states)):
        states[layer] = dynamics.update(states, layer)
        dynamics.moved(layer)
    return states


def _forget(dynamics: Dynamics, states: Sequence[Tensor]) -> None:
    for layer in range(len(states)):
        dynamics.moved(layer)


def _unswept(state: Sequence[Tensor]) -> Solution:
    """The solution after no sweeps."""
    residual = torch.full_like(state[0].flatten(1)[:, 0], torch.nan)
    status = torch.full_like(residual, Status.EXHAUSTED, dtype=torch.int8)
    return Solution(list(state), residual, torch.zeros_like(status, dtype=torch.int64), status)
