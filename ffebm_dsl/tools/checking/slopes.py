"""Finite differences of the loss of a problem, for a parameter or what enters a block."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ffebm_dsl.physics.gradients.finite_differences import (
    STEP,
    Differences,
    directions,
    project,
    smooth_differences,
)
from ffebm_dsl.tools.checking.problem import Problem


def differences(
    problem: Problem,
    tensor: str,
    expected: Tensor,
    *,
    start: float,
    count: int,
    floor: float,
    generator: torch.Generator,
    advance: Callable[[str], None],
) -> Differences:
    """Finite differences along directions for ``tensor``, clear of kinks.

    Args:
        problem: the network with its batch and the settings of its blocks.
        tensor: label of a parameter, or name of a block input.
        expected: its gradient by an estimator, which decides the first step.
        start: the loss of the problem.
        count: number of directions.
        floor: slopes below this are taken to vanish.
        generator: draws the directions.
        advance: told of every evaluation of the loss.
    """
    probes = directions(expected, count, generator)
    on_axes = expected.numel() <= count
    # The step is the least that lifts the change of the loss well above rounding.
    slope = float(project(expected, probes).abs().max())
    return smooth_differences(
        _loss_around(problem, tensor, advance),
        start,
        probes,
        # The axes are all there is to try of a small tensor.
        spare=lambda: () if on_axes else directions(expected, count, generator),
        step=min(max(1e-8 / slope if slope > 0 else 1.0, STEP), 1e-3),
        floor=floor,
    )


def _loss_around(
    problem: Problem, tensor: str, advance: Callable[[str], None]
) -> Callable[[Tensor], float]:
    """The mean loss as a function of an offset to a parameter or a block input."""
    labels = problem.network.labels()
    parameters = {labels[n]: p for n, p in problem.network.named_parameters()}
    parameter = parameters.get(tensor)

    def at_parameter(offset: Tensor) -> float:
        assert parameter is not None
        advance(f"finite differences of {tensor}")
        before = parameter.detach().clone()
        with torch.no_grad():
            parameter.add_(offset)
            value = problem.loss()
            parameter.copy_(before)
        return value

    def at_input(offset: Tensor) -> float:
        advance(f"finite differences of {tensor}")
        return problem.loss(lambda name, t: t + offset if name == tensor else t)

    return at_input if parameter is None else at_parameter
