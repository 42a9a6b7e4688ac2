"""Conversion of network and optimiser to and from the tensors of a checkpoint, with validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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
        name: {key: value for key, value in optimizer.state[p].items() if value is not None}
        for name, p in parameters.items()
        if optimizer.state.get(p)
    }


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
    expected = _states_after_a_step(optimizer)
    by_place = {}
    for name, parameter in parameters.items():
        if name not in saved:
            continue
        state = saved[name]
        wanted = expected[id(parameter)]
        _require(state.keys() == wanted.keys(), path, [f"{sorted(state)} of {name}"])
        for key, tensor in state.items():
            shape = parameter.shape if wanted[key].dim() else wanted[key].shape
            fits = tensor.shape == shape and tensor.dtype == wanted[key].dtype
            _require(fits, path, [f"{key} of {name}"])
        by_place[places[id(parameter)]] = {key: state[key] for key in wanted}
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": by_place, "param_groups": groups})


def _states_after_a_step(optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """The state of such an optimiser for a parameter (2,), by the ``id`` of the real parameter."""
    expected = {}
    for group in optimizer.param_groups:
        stand_in = torch.zeros(2, dtype=group["params"][0].dtype, requires_grad=True)
        stand_in.grad = torch.zeros_like(stand_in)
        other = type(optimizer)([{**group, "params": [stand_in]}])  # type: ignore[call-arg]
        other.step()
        state = {key: value for key, value in other.state[stand_in].items() if value is not None}
        expected.update({id(p): state for p in group["params"]})
    return expected


def _require(fits: bool, path: Path, names: list[str]) -> None:
    if not fits:
        raise InputError(
            f"checkpoint {path} does not fit the network in: {brief(', '.join(names[:5]))}",
            help="use the checkpoint with the run that wrote it",
        )
