"""Conversion of network and optimiser to and from the tensors of a checkpoint, with validation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.diagnostics.brief import brief
from ffebm_dsl.running.training.checkpoint import OptimizerState


def restore_network(network: nn.Module, saved: Mapping[str, Tensor], path: Path) -> None:
    """Load the parameters and buffers of a checkpoint into ``network``.

    Raises:
        InputError: names, shapes or types differ.
    """
    own = network.state_dict()
    _require(own.keys() == saved.keys(), path, sorted(own.keys() ^ saved.keys()))
    for name, tensor in own.items():
        fits = tensor.shape == saved[name].shape and tensor.dtype == saved[name].dtype
        _require(fits, path, [name])
    network.load_state_dict(saved)


def optimizer_state(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
) -> OptimizerState:
    """The state of ``optimizer``, by the names of its ``parameters``.

    Its settings are not included: they follow from the spec and the epoch.
    """
    return {
        name: {key: _as_tensor(value) for key, value in _stated(optimizer, p).items()}
        for name, p in parameters.items()
        if optimizer.state.get(p)
    }


def _stated(optimizer: torch.optim.Optimizer, parameter: Tensor) -> dict[str, Any]:
    return {key: value for key, value in optimizer.state[parameter].items() if value is not None}


def _as_tensor(value: Any) -> Tensor:
    """A tensor, or a number of Python without loss as one; float64 holds it exactly."""
    if isinstance(value, Tensor):
        return value
    return torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else None)


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    saved: OptimizerState,
    path: Path,
) -> None:
    """Load the state of a checkpoint into ``optimizer``.

    Raises:
        InputError: it does not fit the optimiser's parameters.
    """
    _require(saved.keys() <= parameters.keys(), path, sorted(saved.keys() - parameters.keys()))
    order = [p for group in optimizer.param_groups for p in group["params"]]
    places = {id(p): place for place, p in enumerate(order)}
    names = {id(p): name for name, p in parameters.items()}
    by_place = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            if name in saved:
                wanted = _state_after_a_step(optimizer, group, parameter)
                by_place[places[id(parameter)]] = _fitting(saved[name], wanted, name, path)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": by_place, "param_groups": groups})


def _fitting(
    state: Mapping[str, Tensor], wanted: Mapping[str, Any], name: str, path: Path
) -> dict[str, Any]:
    """The saved state of a parameter in the form of ``wanted``; refused where it does not fit."""
    _require(state.keys() == wanted.keys(), path, [f"{sorted(state)} of {name}"])
    found: dict[str, Any] = {}
    for key, value in wanted.items():
        like = _as_tensor(value)
        fits = state[key].shape == like.shape and state[key].dtype == like.dtype
        _require(fits, path, [f"{key} of {name}"])
        found[key] = state[key] if isinstance(value, Tensor) else state[key].item()
    return found


def _state_after_a_step(
    optimizer: torch.optim.Optimizer, group: Mapping[str, Any], parameter: Tensor
) -> dict[str, Any]:
    """The state that such an optimiser has for a parameter like this one.

    It is made without its constructor, whose arguments only the construct knows.
    """
    stand_in = torch.zeros_like(parameter, requires_grad=True)
    stand_in.grad = torch.zeros_like(stand_in)
    other = object.__new__(type(optimizer))
    other.__dict__.update(optimizer.__dict__)
    other.state, other.param_groups = defaultdict(dict), [{**group, "params": [stand_in]}]
    other.step()
    return _stated(other, stand_in)


def _require(fits: bool, path: Path, names: list[str]) -> None:
    if not fits:
        raise InputError(
            f"checkpoint {path} does not fit the network in: {brief(', '.join(names[:5]))}",
            help="use the checkpoint with the run that wrote it",
        )
