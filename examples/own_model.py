"""An energy block inside a model of one's own, between arbitrary modules.

    python examples/own_model.py

The block is built from layers and couplings, without a spec. Its backward pass runs the
nudged phases; everything around it is plain PyTorch.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from ffebm_dsl import (
    Coupling,
    Drive,
    EnergyBlock,
    EquilibriumPropagation,
    HardSigmoid,
    HopfieldEnergy,
    Layer,
    Linear,
)


def energy_block(inputs: int, outputs: int) -> EnergyBlock:
    """Two coupled layers; the first is driven, the second is the output.

    It relaxes and learns like a block of a spec without any settings.
    """
    energy = HopfieldEnergy(
        layers=[Layer("s1", (inputs,), HardSigmoid()), Layer("s2", (outputs,), HardSigmoid())],
        couplings={"s1_s2": Coupling(0, 1, {"linear": Linear((inputs,), outputs)})},
        drives={"u": Drive(0)},
    )
    return EnergyBlock(energy, outputs=[1])


def quicker(block: EnergyBlock) -> EnergyBlock:
    """The block with fewer sweeps and a weaker nudge."""
    block.configure(
        free=replace(block.settings.free, sweeps=50),
        nudged=replace(block.settings.nudged, sweeps=15),
        estimator=EquilibriumPropagation(beta=0.1),
    )
    return block


def main(steps: int = 200) -> float:
    """Fit two noisy rings; return the training accuracy."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    angle = 6.2832 * torch.rand(512, generator=generator)
    ring = torch.arange(512) % 2
    radius = 1.0 + ring + 0.1 * torch.randn(512, generator=generator)
    x = torch.stack([radius * angle.cos(), radius * angle.sin()], 1)

    model = nn.Sequential(
        nn.Linear(2, 32),
        energy_block(32, 16),
        nn.BatchNorm1d(16),
        nn.Linear(16, 24),
        quicker(energy_block(24, 12)),
        nn.Linear(12, 2),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(steps):
        logits = model(x)
        loss = nn.functional.cross_entropy(logits, ring)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}")
    accuracy = float((logits.argmax(1) == ring).float().mean())
    print(f"accuracy {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main()
