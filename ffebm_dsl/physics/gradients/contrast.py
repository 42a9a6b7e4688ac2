"""The phases of equilibrium propagation and their contrast.

(Scellier & Bengio 2017; centered: Laborieux et al. 2021.) See
:class:`~ffebm_dsl.physics.interfaces.estimator.ContrastiveEstimator`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from ffebm_dsl.physics.energy.complex_states import PairedDynamics, unpaired
from ffebm_dsl.physics.gradients.nudging import nudged_dynamics, phase_dynamics, unit
from ffebm_dsl.physics.interfaces import (
    ContrastiveEstimator,
    Cost,
    EnergyDynamics,
    Equilibrium,
    GradientEstimate,
    Phase,
    Routings,
    Solution,
    difference,
)
from ffebm_dsl.physics.relaxation import relax


class PhaseEnd(NamedTuple):
    """Where a phase ended: its state, complex where its strength is, and its routings.

    Routings that the phase froze belong to the energy that was relaxed, and so to its
    derivative.
    """

    state: list[Tensor]
    routings: Routings


def estimate(
    estimator: ContrastiveEstimator, equilibrium: Equilibrium, cost: Cost, weights: Tensor
) -> GradientEstimate:
    """Relax the nudged phases and contrast them."""
    batch, ends, solutions = len(weights), list[PhaseEnd](), list[Solution]()
    with torch.no_grad():
        # Complex numbers cost twice as much: phases that need none are relaxed without.
        for kind, group in groupby(estimator.nudges, lambda beta: isinstance(beta, complex)):
            dynamics, start = phase_dynamics(estimator, equilibrium, cost, betas := list(group))
            nudged = relax(dynamics, start, equilibrium.nudged)
            ends += phase_ends(dynamics, nudged.state, batch)
            parts = [_part(nudged, k, batch) for k in range(len(betas))]
            solutions += [
                replace(s, state=[unpaired(x) for x in s.state]) if kind else s for s in parts
            ]
        found = contrast(estimator, equilibrium, cost, weights, ends)
        named = found.weights
        if equilibrium.measured is not None:
            named = equilibrium.measured(named, estimator, weights)
        return found._replace(weights=named, solutions={"nudged": solutions})


def contrast(
    estimator: ContrastiveEstimator,
    equilibrium: Equilibrium,
    cost: Cost,
    weights: Tensor,
    nudged: Sequence[PhaseEnd],
) -> GradientEstimate:
    """The estimate from the ends of the nudged phases, in order."""
    phases, ends, bound = estimator.phases, list(nudged), equilibrium.bound
    place = next((k for k, phase in enumerate(phases) if phase.beta == 0), None)
    by_response = estimator.transposed or bound.layer_weights is None
    if place is None and by_response:
        place = len(phases)  # no phase of the contrast, and read with them all the same
    if place is not None:
        free = equilibrium.routings or bound.routings(equilibrium.state)
        ends.insert(place, PhaseEnd(list(equilibrium.state), free))
    if equilibrium.read is not None:
        ends = _read(ends, equilibrium.read, len(weights))
    if by_response:
        assert place is not None
        states = [end.state for end in ends]
        return _from_response(phases, equilibrium, cost, weights, states, ends[place])
    # dF/dtheta = -dphi/dtheta.
    strength = unit(bound, cost)
    scales = [weights * (-phase.weight / strength) for phase in phases]
    if any(isinstance(phase.beta, complex) for phase in phases):
        bound = bound.complex()
    found = bound.contrast([e.state for e in ends], scales, [e.routings for e in ends])
    # The cost enters F as beta C; one with parameters is not for complex states.
    cost_parameters = []
    if cost.parameters():
        stacked = [torch.cat(layer) for layer in zip(*(e.state for e in ends), strict=True)]
        shares = torch.cat([weights * (phase.beta * phase.weight) for phase in phases])
        cost_parameters = cost.stacked(len(phases)).parameter_gradient(stacked, shares)
    return GradientEstimate(found.weights, found.drives, cost_parameters)


def _read(
    ends: Sequence[PhaseEnd], read: Callable[[int, Tensor], Tensor], batch: int
) -> list[PhaseEnd]:
    """The ends as weight updates read them; all together, so that whatever reads
    them is the same for each."""
    layers = zip(*(end.state for end in ends), strict=True)
    seen = [read(i, torch.cat(layer)).split(batch) for i, layer in enumerate(layers)]
    states = zip(*seen, strict=True)
    return [PhaseEnd(list(s), end.routings) for s, end in zip(states, ends, strict=True)]


def _from_response(
    phases: Sequence[Phase],
    equilibrium: Equilibrium,
    cost: Cost,
    weights: Tensor,
    states: Sequence[Sequence[Tensor]],
    free: PhaseEnd,
) -> GradientEstimate:
    """``<response, dv/dtheta>`` at the free state; the response is the contrast of states."""
    scales = [torch.ones_like(weights) * -phase.weight for phase in phases]
    ends = zip(*states[: len(phases)], strict=True)
    response = [difference(layer, scales) for layer in ends]
    # The free state is real, so the real part of the response is all that counts.
    response = [w.real if w.is_complex() else w for w in response]
    found = equilibrium.bound.response_gradient(free.state, response, weights, free.routings)
    cost_parameters = cost.parameter_gradient(equilibrium.state, weights)
    return GradientEstimate(found.weights, found.drives, cost_parameters)


def nudged_phases(
    equilibrium: Equilibrium, cost: Cost, betas: Sequence[float], *, transposed: bool = False
) -> dict[float, Solution]:
    """Relax from the free state under ``-beta dC/ds``, for all ``betas`` in one batch."""
    with torch.no_grad():
        dynamics, start = nudged_dynamics(equilibrium, cost, betas, transposed=transposed)
        solution = relax(dynamics, start, equilibrium.nudged)
    batch = len(equilibrium.state[0])
    return {beta: _part(solution, k, batch) for k, beta in enumerate(betas)}


def phase_ends(dynamics: EnergyDynamics, states: Sequence[Tensor], batch: int) -> list[PhaseEnd]:
    """The ends of phases that were relaxed by ``dynamics`` in one batch of ``states``."""
    routings = _routings(dynamics, states, batch)
    if isinstance(dynamics, PairedDynamics):
        states = [unpaired(s) for s in states]
    return list(map(PhaseEnd, _parts(states, batch), routings))


def _part(solution: Solution, index: int, batch: int) -> Solution:
    rows = slice(index * batch, (index + 1) * batch)
    return Solution(
        [s[rows] for s in solution.state],
        solution.residual[rows],
        solution.sweeps[rows],
        solution.status[rows],
        None if solution.paces is None else solution.paces[rows],
    )


def _parts(states: Sequence[Tensor], batch: int) -> list[list[Tensor]]:
    """The states of each phase in a batch of all phases."""
    return [list(part) for part in zip(*(s.split(batch) for s in states), strict=True)]


def _routings(dynamics: EnergyDynamics, nudged: Sequence[Tensor], batch: int) -> list[Routings]:
    """The routings at the end of each nudged phase."""
    together = dynamics.routings(nudged)
    return [
        {k: tuple(c[n * batch : (n + 1) * batch] for c in r) for k, r in together.items()}
        for n in range(len(nudged[0]) // batch)
    ]
