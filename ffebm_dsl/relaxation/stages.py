"""A relaxation in up to two stages: sweeps in a lower precision, then in full precision.

The first stage multiplies by weights in the settings' precision and leaves the last
``finish`` sweeps to the second. To a tolerance a sample ends the first stage once a sweep
changes it no more than rounding may, and the second at the tolerance; a sample's sweeps of
both stages together are at most the settings'. What a phase says of a sample is what the
second stage found, except that one that diverged in the first has diverged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ffebm_dsl.energy.precision import Format, Precision
from ffebm_dsl.relaxation.relax import Dynamics, sweep_to_rest
from ffebm_dsl.relaxation.solution import Relaxation, Solution, Status


def relax(dynamics: Dynamics, state: Sequence[Tensor], settings: Relaxation) -> Solution:
    """Sweep until every sample has converged or the sweeps are used up.

    ``state`` is where to start, one tensor (B, *layer shape) per layer; it is not changed.
    With tolerance 0 sweeps are measured midway and at the end only. With a graph enabled the
    sweeps are recorded by autograd; the precision must be full then.
    """
    low = settings.sweeps - settings.finish
    lowered = settings.precision is not Precision.FULL and state[0].dtype == torch.float32
    if not lowered or low <= 0:
        return sweep_to_rest(dynamics, state, settings)
    dynamics.multiply_in(Format.on(state[0].device, settings.precision))
    first = sweep_to_rest(dynamics, state, _first(settings, low))
    dynamics.multiply_in(None)
    last, budget = _last(settings, first)
    return _joined(first, sweep_to_rest(dynamics, first.state, last, budget))


def _first(settings: Relaxation, sweeps: int) -> Relaxation:
    near = max(settings.tolerance, settings.precision.roundoff) if settings.tolerance else 0.0
    return replace(settings, sweeps=sweeps, tolerance=near)


def _last(settings: Relaxation, first: Solution) -> tuple[Relaxation, Tensor | None]:
    """The settings of the second stage, and how many sweeps of it each sample has left."""
    after = settings.routing_after
    if settings.tolerance == 0:
        used, most, budget = settings.sweeps - settings.finish, settings.finish, None
    else:
        used, budget = int(first.sweeps.max()), settings.sweeps - first.sweeps
        most = int(budget.max())
    # The first stage froze the routing unless it was over before.
    return replace(
        settings, sweeps=most, routing_after=-1 if after < used else after - used
    ), budget


def _joined(first: Solution, last: Solution) -> Solution:
    diverged = first.status == Status.DIVERGED
    return Solution(
        last.state,
        last.residual,
        torch.where(diverged, first.sweeps, first.sweeps + last.sweeps),
        torch.where(diverged, first.status, last.status),
    )
