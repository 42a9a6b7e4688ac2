"""Gradients of a cost by autograd, through the sweeps that lead to a state."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ffebm_dsl.physics.gradients.state_cost import cotangents_by_layer
from ffebm_dsl.physics.interfaces import BoundEnergy, Cost, GradientEstimate


def differentiate(
    phase: Callable[[BoundEnergy], Sequence[Tensor]],
    bound: BoundEnergy,
    cost: Cost,
    weights: Tensor,
) -> GradientEstimate:
    """Differentiate the cost at the end of a phase for the weights and the drives.

    Args:
        phase: a bound energy -> the states (B, *layer shape) at the end of the phase.
        bound: the energy at the weights and drives of the forward pass.
        cost: the cost per sample, a function of the states.
        weights: of the samples in the sum, (B,).
    """
    bound = bound.differentiable()
    inputs = [*bound.weights.values(), *bound.drives]
    with torch.enable_grad():
        state = phase(bound)
    end = [s.detach() for s in state]
    outputs, cotangents = [], []
    for s, c in zip(state, cotangents_by_layer(cost, end, weights), strict=True):
        if c is not None and s.requires_grad:
            outputs.append(s)
            cotangents.append(c)
    gradients = (
        torch.autograd.grad(outputs, inputs, cotangents, allow_unused=True, materialize_grads=True)
        if outputs
        else [torch.zeros_like(x) for x in inputs]
    )
    count = len(bound.weights)
    return GradientEstimate(
        dict(zip(bound.weights, gradients[:count], strict=True)),
        list(gradients[count:]),
        cost.parameter_gradient(end, weights),
    )
