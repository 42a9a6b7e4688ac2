"""Detection of states near a kink, where EP and finite differences are misleading.

At a kink of an activation (or a change of a max pooling's choice) the equilibrium is not
differentiable. If a nudge carries units across one, the EP gradient has an error that no
order in beta describes: with weights of ordinary size beta = 1e-3 alone can give 15 %.
The check therefore nudges each block only so far that nothing crosses, and reports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ffebm_dsl.physics.gradients import nudged_phases
from ffebm_dsl.physics.interfaces import ContrastiveEstimator, Cost, Equilibrium
from ffebm_dsl.tools.checking.problem import Captured

ON_KINK = 1e-9
"""A pre-activation within this distance of a kink is on it, for float64 states."""

REACHES = (0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""Largest nudges tried, ``beta max|dC/ds|`` in units of a pre-activation, in order."""

CHECK_REACH = 1e-4
"""The nudge of the check where no kink is in the way: small against any bias, large against
the rounding of float64 states."""


@dataclass(frozen=True)
class KinkReport:
    """The states of a block relative to the kinks of its activations.

    Attributes:
        block: its name.
        units: state variables in the batch.
        on_kink: those whose pre-activation lies within ``ON_KINK`` of a kink.
        smooth_beta: the largest beta tried at which nothing crosses, for the beta sweep.
        beta: nudging strength chosen for the check.
        crossings: units and pooling choices that change at that beta.
        configured_beta: the spec's; 0 where the block does not train by EP.
        configured_crossings: units and choices that change at the spec's beta.
    """

    block: str
    units: int
    on_kink: int
    smooth_beta: float
    beta: float
    crossings: int
    configured_beta: float
    configured_crossings: int


def survey(
    block: str, captured: Captured, configured_beta: float, estimator: ContrastiveEstimator
) -> KinkReport:
    """Count kinks around a block's equilibrium and choose beta for its check by ``estimator``."""
    transposed = estimator.transposed
    equilibrium, cost = captured.equilibrium, captured.cost
    size = max(float(c.abs().max()) for c in cost.gradient(equilibrium.state).values())
    unit = 1 / size if size > 0 else 1.0
    for reach in REACHES:
        crossings = count_crossings(equilibrium, cost, reach * unit, transposed=transposed)
        if crossings == 0:
            break
    return KinkReport(
        block=block,
        units=sum(s.numel() for s in equilibrium.state),
        on_kink=_on_kink(equilibrium),
        smooth_beta=reach * unit,
        beta=min(reach, CHECK_REACH) * unit,
        crossings=crossings,
        configured_beta=configured_beta,
        configured_crossings=(
            count_crossings(equilibrium, cost, configured_beta, transposed=transposed)
            if configured_beta
            else 0
        ),
    )


def count_crossings(
    equilibrium: Equilibrium, cost: Cost, beta: float, *, transposed: bool = False
) -> int:
    """Units and pooling choices that differ between the free state and either nudged state."""
    phases = nudged_phases(equilibrium, cost, [beta, -beta], transposed=transposed)
    return sum(_between(equilibrium, solution.state) for solution in phases.values())


def _between(equilibrium: Equilibrium, state: Sequence[Tensor]) -> int:
    bound, free = equilibrium.bound, equilibrium.state
    count = sum(
        int(layer.activation.crossed(s, other).sum())
        for layer, s, other in zip(bound.layers, free, state, strict=True)
    )
    if equilibrium.routings is None:
        before, after = bound.routings(free), bound.routings(state)
        for index, routing in before.items():
            pairs = zip(routing, after[index], strict=True)
            count += sum(int((old != new).sum()) for old, new in pairs)
    return count


def _on_kink(equilibrium: Equilibrium) -> int:
    bound, state = equilibrium.bound, equilibrium.state
    with torch.no_grad():
        distances = [
            layer.activation.kink_distance(bound.pre_activation(state, i, equilibrium.routings))
            for i, layer in enumerate(bound.layers)
        ]
    return sum(int((distance < ON_KINK).sum()) for distance in distances)
