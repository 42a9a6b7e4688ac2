"""PyTorch's optimisers by their names in the language, and learning rates by epoch."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ffebm_dsl.language.ir.model import CallIR
from ffebm_dsl.language.registry import OPS, OPTIMIZERS, SCHEDULES, EpochPosition


def build_optimizer(
    call: CallIR, named: Mapping[str, nn.Parameter], readout: str = "readout"
) -> torch.optim.Optimizer:
    """The optimiser of a spec.

    Args:
        call: the optimiser, with its groups.
        named: every parameter by its label, ``b1.s1_s2.conv2d.weight``.
        readout: the name of the readout in the spec; labels of its parameters begin with
            ``readout``.
    """
    values: Mapping[str, Any] = call.arguments
    parameters = _grouped(values["groups"], named, readout, float(values["weight_decay"]))
    if values.get("decayed") == "weights":
        weights = {parameter for label, parameter in named.items() if _is_weight(label, parameter)}
        parameters = [part for group in parameters for part in _undecayed_apart(group, weights)]
    optimizer: torch.optim.Optimizer = OPTIMIZERS[call.name].make(parameters, values)
    return optimizer


def _grouped(
    groups: Sequence[CallIR], named: Mapping[str, nn.Parameter], readout: str, decay: float
) -> list[dict[str, Any]]:
    """PyTorch's parameter groups: first the parameters without a group of their own, if any.

    A parameter that matches two groups, a block and one of its maps, belongs to the smaller one.
    ``lr_factor`` is an extra key, which PyTorch keeps and :func:`set_learning_rate` reads.
    """
    parts: dict[str, list[nn.Parameter]] = {"": []}
    parts |= {str(group.arguments["part"]): [] for group in groups}
    stems = {part: "readout" if part == readout else part for part in parts if part}
    for label, parameter in named.items():
        holds = [part for part, stem in stems.items() if label.startswith(f"{stem}.")]
        parts[max(holds, key=len, default="")].append(parameter)
    settings = {"": {"lr_factor": 1.0, "weight_decay": decay}}
    for group in groups:
        values: Mapping[str, Any] = group.arguments
        factor = float(values["weight_decay"])
        settings[values["part"]] = {
            "lr_factor": float(values["lr"]),
            "weight_decay": decay * factor,
        }
    return [{"params": parts[part], **settings[part]} for part in parts if parts[part]]


def _undecayed_apart(
    group: dict[str, Any], weights: Collection[nn.Parameter]
) -> list[dict[str, Any]]:
    """Split a group: the ``weights`` in it, and all others without decay."""
    decayed = [p for p in group["params"] if p in weights]
    others = [p for p in group["params"] if p not in weights]
    apart = [{**group, "params": decayed}, {**group, "params": others, "weight_decay": 0.0}]
    return [part for part in apart if part["params"]]


def _is_weight(label: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter is neither a bias nor a scale.

    Those of a convolution or a batch norm have one dimension, those of a layer norm and of a bias
    of every unit as many as the states.
    """
    of, _, name = label.rpartition(".")
    op = re.sub(r"_\d+$", "", of.rpartition(".")[2])
    normalises = op in OPS and OPS[op].role == "normalisation"
    return parameter.ndim > 1 and name != "bias" and not normalises


def learning_rate(
    schedule: CallIR, base: float, epoch: int, epochs: int, part: float = 0.0
) -> float:
    """The learning rate in an epoch (counted from 0) of which the fraction ``part`` < 1 is done."""
    position = EpochPosition(epoch, epochs, part)
    return SCHEDULES[schedule.name].rate(schedule.arguments, base, position)


def warmup(epochs: float, done: float) -> float:
    """The factor on the learning rate of a step after ``done`` epochs.

    It rises linearly, and is 1 after ``epochs``.
    """
    return min(1.0, done / epochs) if epochs else 1.0


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate, multiplied by the factor of each group."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]
