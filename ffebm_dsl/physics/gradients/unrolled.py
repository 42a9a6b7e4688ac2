"""Autodiff through further sweeps from the free state (truncated backpropagation in time).

As the number of sweeps grows this tends to the implicit gradient, at a memory cost that
grows with the sweeps. It is what the literature compares EP's nudged phase with, sweep by
sweep (Ernoult et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ffebm_dsl.physics.gradients.estimator import (
    Cost,
    Equilibrium,
    Estimator,
    GradientEstimate,
    cotangents_by_layer,
)
from ffebm_dsl.physics.relaxation import relax


@dataclass(frozen=True)
class Unrolled(Estimator):
    """Differentiate ``sweeps`` plain sweeps in the free phase's order, from the free state.

    Raises:
        ValueError: a negative number of sweeps.
    """

    sweeps: int = 20

    def __post_init__(self) -> None:
        if self.sweeps < 0:
            raise ValueError(f"cannot unroll {self.sweeps} sweeps")

    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        settings = replace(
            equilibrium.free,
            sweeps=self.sweeps,
            tolerance=0.0,
            solver=equilibrium.free.solver.plain,
        )
        bound = equilibrium.bound.differentiable()
        inputs = [*bound.weights.values(), *bound.drives]
        with torch.enable_grad():
            dynamics = bound.dynamics(equilibrium.force, equilibrium.routings)
            solution = relax(dynamics, equilibrium.state, settings)
        end = [s.detach() for s in solution.state]
        outputs, cotangents = [], []
        for s, c in zip(solution.state, cotangents_by_layer(cost, end, weights), strict=True):
            if c is not None and s.requires_grad:
                outputs.append(s)
                cotangents.append(c)
        gradients = (
            torch.autograd.grad(
                outputs, inputs, cotangents, allow_unused=True, materialize_grads=True
            )
            if outputs
            else [torch.zeros_like(x) for x in inputs]
        )
        count = len(bound.weights)
        return GradientEstimate(
            dict(zip(bound.weights, gradients[:count], strict=True)),
            list(gradients[count:]),
            cost.parameter_gradient(end, weights),
        )
