"""Constraints on weights, kept whatever optimiser moves them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def keep_nonnegative(module: nn.Module, name: str = "weight") -> nn.Module:
    """Keep a weight at or above 0, as the conductances of an analog array are.

    Negative entries are set to 0 when the module is next used, so every optimiser step is
    followed by the projection before anything sees the weight (projected gradient descent).
    When this is called, entries take their absolute values, which keeps the scale of what an
    initialiser drew. The gradient is that of the weight, two-sided where an entry is 0.

    Args:
        module: holds the parameter itself: an :class:`~ffebm_dsl.physics.energy.OpWeights` of
            a coupling or drive, or a layer of torch's.
        name: of the parameter.

    Returns:
        The module.

    Raises:
        ValueError: the module has no parameter of this name.
    """
    parameter = dict(module.named_parameters(recurse=False)).get(name)
    if parameter is None:
        raise ValueError(f"{type(module).__name__} has no parameter called {name!r}")
    with torch.no_grad():
        parameter.abs_()

    def project(owner: nn.Module, _: tuple[Any, ...]) -> None:
        weight: Tensor = getattr(owner, name)
        # Written only where it must be: an earlier call may wait for its backward pass.
        if bool((weight < 0).any()):
            with torch.no_grad():
                weight.clamp_(min=0.0)

    module.register_forward_pre_hook(project)
    return module
