"""How many sweeps free phases take, at the weights that a spec begins with."""

from __future__ import annotations

import torch

from ffebm_dsl.build import build
from ffebm_dsl.language.ir.model import SpecIR

SAMPLES = 64


def free_sweeps(spec: SpecIR, seed: int = 0) -> dict[str, float]:
    """The mean sweeps of each block's free phase over random samples, at its own tolerance."""
    network = build(spec, seed=seed)
    network.eval()
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((SAMPLES, *spec.model.input.shape), generator=generator)
    with torch.no_grad(), torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network(x)
    return {report.block: float(report.sweeps.double().mean()) for report in network.phases()}
