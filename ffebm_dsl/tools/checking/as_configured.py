"""The gradients that training has: the spec's own estimators, beta and sweeps, in training's dtype
and on its device, with the weights and the batch of the check."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ffebm_dsl.build import build
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.physics.network import PhaseReport
from ffebm_dsl.tools.checking.problem import Problem, train_without_dropout

POOR = 0.9
"""A cosine with the converged gradient below this is worth a warning: training follows a
direction more than 25 degrees off."""

LOST = 0.01
"""So is a loss of cosine in rounding, which float64 does not have."""


def matched(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy the weights and buffers of a network on ideal hardware to the same network on a device.

    The ranges of converters, which only the latter has, are kept.
    """
    own = {name: tensor for name, tensor in network.state_dict().items() if name not in state}
    network.load_state_dict({**state, **own})


def gradients_of_training(
    problem: Problem, spec: SpecIR, dtype: torch.dtype, device: torch.device
) -> tuple[dict[str, Tensor], list[PhaseReport]]:
    """Gradients by label, in float64 on the CPU so that they can be compared, and how the phases
    went. Noise is drawn from torch's generator."""
    network = build(spec, dtype=dtype, device=device)
    matched(network, problem.network.state_dict())
    train_without_dropout(network)
    target = problem.target.to(device)
    if target.is_floating_point():
        target = target.to(dtype)
    configured = network.settings()
    inputs = tuple(x.to(device, dtype) for x in problem.inputs)
    own = Problem(network, inputs, target, configured, configured)
    found = own.gradients_with(configured)
    return {name: g.double().cpu() for name, g in found.items()}, list(network.phases())
