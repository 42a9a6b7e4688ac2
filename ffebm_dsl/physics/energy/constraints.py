"""Constraints on weights that hold under any optimiser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def keep_nonnegative(
    module: nn.Module, name: str = "weight", *, absolute: bool = True
) -> nn.Module:
    """Keep a weight at or above 0, as the conductances of an analog array are.

    Negative entries are set to 0 when the module is next used, or by :func:`project`, so that
    every optimiser step is followed by the projection before the weight is used (projected
    gradient descent). The gradient is that of the weight, two-sided where an entry is 0.

    Args:
        module: the module that holds the parameter: an
            :class:`~ffebm_dsl.physics.energy.OpWeights` of a coupling or drive, or a torch layer.
        name: name of the parameter.
        absolute: whether entries are first replaced by their absolute values, which keeps the
            scale of the initial weights; else negative ones become 0 at once.

    Returns:
        The module.

    Raises:
        ValueError: the module has no parameter of this name.
    """
    parameter = _parameter(module, name)
    if absolute:
        with torch.no_grad():
            parameter.abs_()
    _hold(module, name, _nonnegative)
    return module


def keep_zero_diagonal(module: nn.Module, name: str = "weight") -> nn.Module:
    """Keep the diagonal of a square weight at 0, so that no unit of a layer acts on itself.

    The diagonal is set to 0 as :func:`keep_nonnegative` sets negative entries, which it may be
    combined with; the gradient is that of the whole weight.

    Args:
        module: the module that holds the parameter.
        name: name of the parameter, (n, n).

    Returns:
        The module.

    Raises:
        ValueError: the module has no parameter of this name, or one of another shape.
    """
    parameter = _parameter(module, name)
    if parameter.dim() != 2 or parameter.shape[0] != parameter.shape[1]:
        raise ValueError(f"{name!r} of shape {list(parameter.shape)} has no diagonal to keep at 0")
    _hold(module, name, _zero_diagonal)
    return module


def _parameter(module: nn.Module, name: str) -> nn.Parameter:
    parameter = dict(module.named_parameters(recurse=False)).get(name)
    if parameter is None:
        raise ValueError(f"{type(module).__name__} has no parameter called {name!r}")
    return parameter


def project(network: nn.Module) -> None:
    """Project every constrained weight back into its range."""
    for module in network.modules():
        if module._forward_pre_hooks:
            for hook in _constraints(module).values():
                hook(module, ())


def project_after(optimizer: torch.optim.Optimizer, network: nn.Module) -> None:
    """Project the weights that are constrained now after every step of ``optimizer``."""
    held = [module for module in network.modules() if _constraints(module)]

    def hook(*_: object) -> None:
        for module in held:
            project(module)

    if held:
        optimizer.register_step_post_hook(hook)


def projections(
    network: nn.Module, weights: Mapping[str, Tensor]
) -> dict[str, list[Callable[[Tensor], None]]]:
    """What projects a tensor in place as the weight of that name is, for those constrained.

    ``weights`` are parameters of ``network``; tied ones may occur under several names.
    """
    found: dict[int, list[Callable[[Tensor], None]]] = {}
    for module in network.modules():
        for constraint in _constraints(module).values():
            found.setdefault(id(getattr(module, constraint.name)), []).append(constraint.apply)
    return {name: found[id(w)] for name, w in weights.items() if id(w) in found}


def release(network: nn.Module) -> None:
    """Project once more and remove the constraints.

    Finite differences need this, as they are two-sided at the end of a range.
    """
    project(network)
    for module in network.modules():
        for key in _constraints(module):
            del module._forward_pre_hooks[key]


class _Constraint:
    """A hook before a module's forward pass that projects a weight by each of ``projections``.

    A weight has one such hook: of two, each would see the other's writing as a change.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.projections: list[Callable[[Tensor], None]] = []
        self._projected = (-1, -1)

    def add(self, projection: Callable[[Tensor], None]) -> None:
        """Project by ``projection`` too, from the next call on."""
        self.projections.append(projection)
        self._projected = (-1, -1)

    def __call__(self, module: nn.Module, _: tuple[Any, ...]) -> None:
        weight: Tensor = getattr(module, self.name)
        # Written only after it changed: an earlier call may wait for its backward pass.
        if self._projected != (id(weight), weight._version):
            with torch.no_grad():
                self.apply(weight)
            self._projected = (id(weight), weight._version)

    def apply(self, weight: Tensor) -> None:
        """Project ``weight`` in place."""
        for projection in self.projections:
            projection(weight)


def _nonnegative(weight: Tensor) -> None:
    weight.clamp_(min=0.0)


def _zero_diagonal(weight: Tensor) -> None:
    weight.fill_diagonal_(0.0)


def _hold(module: nn.Module, name: str, projection: Callable[[Tensor], None]) -> None:
    """Project the weight by ``projection`` whenever the module is used after it changed."""
    for constraint in _constraints(module).values():
        if constraint.name == name:
            constraint.add(projection)
            return
    constraint = _Constraint(name)
    constraint.add(projection)
    module.register_forward_pre_hook(constraint)


def _constraints(module: nn.Module) -> dict[int, _Constraint]:
    hooks = module._forward_pre_hooks.items()
    return {key: hook for key, hook in hooks if isinstance(hook, _Constraint)}
