"""``ffebm show --netlist``: the circuits of resistive blocks as SPICE."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ffebm_dsl.cli.console import say
from ffebm_dsl.cli.files import STREAM, write_text

if TYPE_CHECKING:
    from ffebm_dsl.language.ir.model import SpecIR


def write_netlist(spec: SpecIR, path: Path) -> None:
    """Write the netlist with initial weights and one random input to ``path``; ``-`` is stdout.

    Raises:
        InputError: the spec has no resistive block, or one too large.
        InputError, StorageError: as :func:`~ffebm_dsl.cli.files.write_text`.
    """
    import torch

    from ffebm_dsl.build import build
    from ffebm_dsl.tools.checking.problem import random_batch
    from ffebm_dsl.tools.netlist import netlist

    seed = spec.train.seed if spec.train else 0
    network = build(spec, seed=seed, dtype=torch.float64)
    x, _ = random_batch(spec, 1, seed)
    write_text(path, netlist(network, x, f"model {spec.model.name}"))
    if path != STREAM:
        say(f"wrote {path}")
