"""Other settings of the relaxations for the length of a context: damped, or cut short."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from ffebm_dsl.physics.gradients import Estimator, Implicit
from ffebm_dsl.physics.network import EnergyBlock
from ffebm_dsl.physics.relaxation import Relaxation


class Tuning(NamedTuple):
    """How a block relaxes, forward and backward."""

    free: Relaxation
    nudged: Relaxation
    estimator: Estimator


Change = Callable[[Tuning], Tuning]


@contextmanager
def retuned(cores: Iterable[EnergyBlock], change: Change) -> Iterator[None]:
    """Relax these blocks with other settings within the context."""
    before = [(core, Tuning(core.free, core.nudged, core.estimator)) for core in cores]
    try:
        for core, tuning in before:
            core.free, core.nudged, core.estimator = change(tuning)
        yield
    finally:
        for core, tuning in before:
            core.free, core.nudged, core.estimator = tuning


def damped(part: float) -> Change:
    """Sweeps move every state by only ``part`` of what they did, and are more in return.

    Neither fixed points nor how far a relaxation comes to them change: there are ``1 / part``
    times as many sweeps, and the tolerance, a change per sweep, is ``part`` of what it was.
    """

    def damp(settings: Relaxation) -> Relaxation:
        after = settings.routing_after
        routing = after if after < 0 else math.ceil(after / part)
        return replace(
            settings,
            damping=1 - (1 - settings.damping) * part,
            sweeps=math.ceil(settings.sweeps / part),
            tolerance=settings.tolerance * part,
            routing_after=routing,
        )

    def change(tuning: Tuning) -> Tuning:
        if part == 1:
            return tuning
        estimator = tuning.estimator
        if isinstance(estimator, Implicit):
            sweeps = math.ceil(estimator.sweeps / part)
            estimator = replace(estimator, tolerance=estimator.tolerance * part, sweeps=sweeps)
        return Tuning(damp(tuning.free), damp(tuning.nudged), estimator)

    return change


def shortened(phase: str) -> Change:
    """``phase`` (free, nudged or adjoint) ends one sweep earlier; it must have two."""

    def change(tuning: Tuning) -> Tuning:
        free, nudged, estimator = tuning
        if phase == "free":
            free = replace(free, sweeps=free.sweeps - 1)
        elif phase == "adjoint" and isinstance(estimator, Implicit):
            estimator = replace(estimator, sweeps=estimator.sweeps - 1)
        else:
            nudged = replace(nudged, sweeps=nudged.sweeps - 1)
        return Tuning(free, nudged, estimator)

    return change
