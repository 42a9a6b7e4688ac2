"""A relaxation in stages: sweeps in a lower precision, from better and better known products.

The last ``finish`` sweeps multiply by weights in full precision; those before them in the
settings' precision, in two stages of equal length. Each of these takes its first products in
full and the others as increments from them (``ffebm_dsl.physics.energy.precision``), so that the
second stage errs in proportion to what the first left to do, as iterative refinement does.

To a tolerance a sample ends a stage once a sweep changes it no more than rounding may: by the
roundoff r of the format in the first stage and by r^2 in the second. Its sweeps are counted
over all stages, and are at most the settings'. What a phase says of a sample is what the last
stage found, except that one which diverged in an earlier stage has diverged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ffebm_dsl.physics.energy.precision import Format, Precision
from ffebm_dsl.physics.relaxation.layout import squared_norm
from ffebm_dsl.physics.relaxation.relax import Dynamics, sweep_to_rest
from ffebm_dsl.physics.relaxation.samples import GROWTH
from ffebm_dsl.physics.relaxation.solution import Relaxation, Solution, Status


class Stage(NamedTuple):
    """Sweeps ``begin`` to ``end`` of a phase, to ``tolerance``; ``low``: not in full."""

    begin: int
    end: int
    tolerance: float
    low: bool


def relax(dynamics: Dynamics, state: Sequence[Tensor], settings: Relaxation) -> Solution:
    """Sweep until every sample has converged or the sweeps are used up.

    ``state`` is where to start, one tensor (B, *layer shape) per layer; it is not changed.
    With tolerance 0 sweeps are measured midway and at the end only. With a graph enabled the
    sweeps are recorded by autograd; the precision must be full then.
    """
    first, *others = _stages(settings)
    if not others or state[0].dtype != torch.float32:
        return sweep_to_rest(dynamics, state, settings)
    number_format = Format.on(state[0].device, settings.precision)
    dynamics.multiply_in(number_format)
    halfway = solution = sweep_to_rest(dynamics, state, _plan(settings, first, 0, first.end))
    for stage in others:
        dynamics.multiply_in(number_format if stage.low else None)
        solution = _go_on(dynamics, solution, settings, stage)
    return _judged(halfway, solution)


def _stages(settings: Relaxation) -> Iterator[Stage]:
    low = settings.sweeps - settings.finish
    if settings.precision is Precision.FULL or low <= 0:
        yield Stage(0, settings.sweeps, settings.tolerance, False)
        return
    middle, near = (low + 1) // 2, settings.precision.roundoff
    for begin, end, least in ((0, middle, near), (middle, low, near**2)):
        if begin < end:
            tolerance = max(settings.tolerance, least) if settings.tolerance else 0.0
            yield Stage(begin, end, tolerance, True)
    yield Stage(low, settings.sweeps, settings.tolerance, False)


def _go_on(dynamics: Dynamics, before: Solution, settings: Relaxation, stage: Stage) -> Solution:
    """The solution after another stage; ``sweeps`` are those of all stages until then."""
    used, most, budget = stage.begin, stage.end - stage.begin, None
    if settings.tolerance > 0:
        budget = stage.end - before.sweeps
        used, most = int(before.sweeps.max()), int(budget.max())
    plan = _plan(settings, stage, used, most)
    found = sweep_to_rest(dynamics, before.state, plan, budget)
    diverged = before.status == Status.DIVERGED
    return Solution(
        found.state,
        found.residual,
        torch.where(diverged, before.sweeps, before.sweeps + found.sweeps),
        torch.where(diverged, before.status, found.status),
    )


def _plan(settings: Relaxation, stage: Stage, used: int, most: int) -> Relaxation:
    """The settings of a stage of ``most`` sweeps after ``used`` ones."""
    after = settings.routing_after
    # What is frozen in a stage stays so.
    routing = after - used if after >= used else -1
    return replace(settings, sweeps=most, tolerance=stage.tolerance, routing_after=routing)


def _judged(halfway: Solution, last: Solution) -> Solution:
    """As in one precision, a state that grew over the second half of its sweeps has diverged."""
    sizes = [squared_norm(solution.state) for solution in (halfway, last)]
    grown = (sizes[1] > GROWTH**2 * sizes[0]) & (last.status == Status.EXHAUSTED)
    filled = halfway.sweeps >= len(last.state)
    return replace(last, status=torch.where(grown & filled, Status.DIVERGED, last.status))
