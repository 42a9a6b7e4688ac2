"""In which precision a network's blocks relax, and what becomes of that on its device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from ffebm_dsl.physics.energy.precision import Precision, multiplies
from ffebm_dsl.physics.network.block import EnergyBlock
from ffebm_dsl.physics.network.chain import HybridNetwork
from ffebm_dsl.physics.relaxation import Relaxation


def lowered(network: HybridNetwork) -> list[Precision]:
    """The precisions below the network's own that its phases ask for, each once."""
    asked = [phase.precision for block in network.blocks for phase in _phases(block.core)]
    return [p for p in dict.fromkeys(asked) if p is not Precision.FULL]


@contextmanager
def in_full_precision(network: HybridNetwork) -> Iterator[None]:
    """Relax every block in the network's own precision within the context."""
    cores = [(block.core, _phases(block.core)) for block in network.blocks]
    try:
        for core, phases in cores:
            core.free, core.nudged = (replace(p, precision=Precision.FULL) for p in phases)
        yield
    finally:
        for core, phases in cores:
            core.free, core.nudged = phases


def remarks(network: HybridNetwork) -> list[str]:
    """What a user who asked for a lower precision should know of this network's device."""
    like = next(network.parameters())
    return [text for p in lowered(network) if (text := _remark(p, like.dtype, like.device))]


def _remark(precision: Precision, dtype: torch.dtype, device: torch.device) -> str:
    asked = f"precision = {precision}"
    if dtype != torch.float32:
        return f"{asked} has no effect: a network in {_name(dtype)} relaxes in {_name(dtype)}"
    if not multiplies(device, precision):
        return (
            f"{asked} saves no time: this {device.type} does not multiply in {precision}, "
            "and only its rounding is imitated"
        )
    return ""


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _phases(core: EnergyBlock) -> tuple[Relaxation, Relaxation]:
    return core.free, core.nudged
