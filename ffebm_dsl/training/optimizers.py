"""Optimisers of torch by the names of the language, and learning rates by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from ffebm_dsl.ir.model import CallIR


def build_optimizer(call: CallIR, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser that a spec names, over ``parameters``."""
    values: Mapping[str, Any] = call.arguments
    rate, decay = float(values["lr"]), float(values["weight_decay"])
    if call.name == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=rate,
            momentum=float(values["momentum"]),
            nesterov=bool(values["nesterov"]),
            weight_decay=decay,
        )
    betas = (float(values["beta1"]), float(values["beta2"]))
    eps = float(values["eps"])
    if call.name == "adam":
        return torch.optim.Adam(parameters, lr=rate, betas=betas, eps=eps, weight_decay=decay)
    if call.name == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, betas=betas, eps=eps, weight_decay=decay)
    raise KeyError(f"the registry offers an optimizer {call.name!r} that training does not know")


def base_rate(optimizer: CallIR) -> float:
    """The learning rate that an optimiser is given in the spec, before any schedule."""
    values: Mapping[str, Any] = optimizer.arguments
    return float(values["lr"])


def learning_rate(
    schedule: CallIR, base: float, epoch: int, epochs: int, part: float = 0.0
) -> float:
    """The learning rate in an epoch (counted from 0) of which ``part`` (below 1) is done.

    The values are those of torch's ``CosineAnnealingLR`` over all ``epochs``,
    ``CosineAnnealingWarmRestarts`` and ``StepLR``. A function of the position alone leaves
    no state that a resumed run could miss.
    """
    values: Mapping[str, Any] = schedule.arguments
    match schedule.name:
        case "constant":
            return base
        case "cosine":
            floor = float(values["eta_min"])
            return _half_cosine(base, floor, epoch / epochs)
        case "cosine_restarts":
            period = int(values["period"])
            return _half_cosine(base, float(values["eta_min"]), (epoch % period + part) / period)
        case "step":
            drops = epoch // int(values["size"])
            return base * float(values["gamma"]) ** drops
    raise KeyError(f"the registry offers a schedule {schedule.name!r} that training does not know")


def _half_cosine(top: float, floor: float, part: float) -> float:
    return floor + (top - floor) * (1 + math.cos(math.pi * part)) / 2


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
