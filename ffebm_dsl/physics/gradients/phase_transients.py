"""Gradients sweep by sweep: EP after t nudged sweeps, autodiff through the last t sweeps.

At a fixed point the two are equal for every t, in the limit of a small beta, where the
nudged phase updates the groups of layers in the reverse order of the free phase (the
gradient-descending-dynamics property: Ernoult et al. 2019; for chains of blocks
arXiv 2409.03306). Both are computed for all t at once: EP by one nudged relaxation, read after
every sweep, autodiff by one accumulation backward in time.

Every generator yields ``sweeps + 1`` estimates, t = 0 first. The next step may overwrite the
tensors of an estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ffebm_dsl.physics.gradients.contrast import contrast, phase_ends
from ffebm_dsl.physics.gradients.nudging import phase_dynamics
from ffebm_dsl.physics.gradients.state_cost import cotangents_by_layer
from ffebm_dsl.physics.interfaces import (
    ContrastiveEstimator,
    Cost,
    Equilibrium,
    GradientEstimate,
    Relaxation,
)
from ffebm_dsl.physics.relaxation import relax


class Nudged(NamedTuple):
    """The EP gradient after some nudged sweeps, and the states from which it is computed.

    ``states`` holds the nudged phases one after the other along the batch, in the order of
    the estimator's betas, without one that is 0.
    """

    estimate: GradientEstimate
    states: list[Tensor]


def ep_transients(
    estimator: ContrastiveEstimator,
    equilibrium: Equilibrium,
    cost: Cost,
    weights: Tensor,
    sweeps: int,
) -> Iterator[Nudged]:
    """EP after t = 0, 1, ... nudged sweeps. No sample stops early: the tolerance is not used."""
    dynamics, state = phase_dynamics(estimator, equilibrium, cost, estimator.nudges)
    step = _one_sweep(equilibrium.nudged)
    for t in range(sweeps + 1):
        if t > 0:
            if t - 1 == dynamics.changes_after:
                dynamics.change(state)
            with torch.no_grad():
                state = relax(dynamics, state, step).state
        with torch.no_grad():
            ends = phase_ends(dynamics, state, len(weights))
            estimate = contrast(estimator, equilibrium, cost, weights, ends)
        yield Nudged(estimate, state)


def unrolled_transients(
    equilibrium: Equilibrium, cost: Cost, weights: Tensor, sweeps: int
) -> Iterator[GradientEstimate]:
    """Autodiff through the last t of ``sweeps`` further free sweeps, for t = 0, 1, ....

    The sweeps start at the free state, and the cost is taken where they end; with t =
    ``sweeps`` this is the estimator ``Unrolled(sweeps)``. Of the forward pass only the states
    between sweeps are kept; each sweep is computed again in the backward pass.
    """
    step = _one_sweep(equilibrium.free)
    trajectory = _trajectory(equilibrium, step, sweeps)
    end = trajectory.pop()
    cost_parameters = cost.parameter_gradient(end, weights)
    cotangent = [
        torch.zeros_like(s) if c is None else c
        for s, c in zip(end, cotangents_by_layer(cost, end, weights), strict=True)
    ]
    parameters = {name: torch.zeros_like(w) for name, w in equilibrium.bound.weights.items()}
    drives = [torch.zeros_like(u) for u in equilibrium.bound.drives]
    yield GradientEstimate(parameters, drives, cost_parameters)
    while trajectory:
        cotangent, shares = _pull_back(equilibrium, step, trajectory.pop(), cotangent)
        for total, share in zip([*parameters.values(), *drives], shares, strict=True):
            total += share
        yield GradientEstimate(parameters, drives, cost_parameters)


def _one_sweep(settings: Relaxation) -> Relaxation:
    return replace(settings, sweeps=1, tolerance=0.0)


def _trajectory(equilibrium: Equilibrium, step: Relaxation, sweeps: int) -> list[Sequence[Tensor]]:
    """The free state and the states after each of ``sweeps`` further sweeps."""
    dynamics = equilibrium.bound.dynamics(equilibrium.force, equilibrium.routings)
    states: list[Sequence[Tensor]] = [equilibrium.state]
    with torch.no_grad():
        for _ in range(sweeps):
            states.append(relax(dynamics, states[-1], step).state)
    return states


def _pull_back(
    equilibrium: Equilibrium, step: Relaxation, state: Sequence[Tensor], cotangent: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """One sweep backward: the cotangent of ``state``, and the shares of parameters and drives.

    ``cotangent`` is that of the state which the sweep makes of ``state``.
    """
    bound = equilibrium.bound.differentiable()
    with torch.enable_grad():
        start = [s.detach().requires_grad_() for s in state]
        dynamics = bound.dynamics(equilibrium.force, equilibrium.routings)
        end = relax(dynamics, start, step).state
    pairs = [(s, c) for s, c in zip(end, cotangent, strict=True) if s.requires_grad]
    inputs = [*start, *bound.weights.values(), *bound.drives]
    gradients = torch.autograd.grad(
        [s for s, _ in pairs],
        inputs,
        [c for _, c in pairs],
        allow_unused=True,
        materialize_grads=True,
    )
    return list(gradients[: len(start)]), list(gradients[len(start) :])
