"""Constraints on weights, kept whatever optimiser moves them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def keep_nonnegative(
    module: nn.Module, name: str = "weight", *, absolute: bool = True
) -> nn.Module:
    """Keep a weight at or above 0, as the conductances of an analog array are.

    Negative entries are set to 0 when the module is next used, or by :func:`project`, so every
    optimiser step is followed by the projection before anything sees the weight (projected
    gradient descent). The gradient is that of the weight, two-sided where an entry is 0.

    Args:
        module: holds the parameter itself: an :class:`~ffebm_dsl.physics.energy.OpWeights` of
            a coupling or drive, or a layer of torch's.
        name: of the parameter.
        absolute: entries first take their absolute values, which keeps the scale of what an
            initialiser drew; else negative ones become 0 from the start.

    Returns:
        The module.

    Raises:
        ValueError: the module has no parameter of this name.
    """
    parameter = dict(module.named_parameters(recurse=False)).get(name)
    if parameter is None:
        raise ValueError(f"{type(module).__name__} has no parameter called {name!r}")
    if absolute:
        with torch.no_grad():
            parameter.abs_()
    module.register_forward_pre_hook(_Nonnegative(name))
    return module


def project(network: nn.Module) -> None:
    """Bring every weight that is kept nonnegative back into its range."""
    for module in network.modules():
        for hook in _constraints(module).values():
            hook(module, ())


def release(network: nn.Module) -> None:
    """Project once more, and from then on constrain nothing.

    For derivatives by differences, which are two-sided at the end of a range.
    """
    project(network)
    for module in network.modules():
        for key in _constraints(module):
            del module._forward_pre_hooks[key]


class _Nonnegative:
    """A hook before a module's forward pass that sets negative entries of a weight to 0."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._projected = (-1, -1)

    def __call__(self, module: nn.Module, _: tuple[Any, ...]) -> None:
        weight: Tensor = getattr(module, self._name)
        # Written only after it changed: an earlier call may wait for its backward pass.
        if self._projected != (id(weight), weight._version):
            with torch.no_grad():
                weight.clamp_(min=0.0)
            self._projected = (id(weight), weight._version)


def _constraints(module: nn.Module) -> dict[int, _Nonnegative]:
    hooks = module._forward_pre_hooks.items()
    return {key: hook for key, hook in hooks if isinstance(hook, _Nonnegative)}
