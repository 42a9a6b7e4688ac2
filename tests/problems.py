"""Small energy blocks and networks shared by the tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch

from ffebm_dsl.language.registry import INITIALISERS
from ffebm_dsl.physics.energy import (
    Activation,
    AvgPool2d,
    Conv2d,
    Coupling,
    Flatten,
    HopfieldEnergy,
    Identity,
    Layer,
    Linear,
    MaxPool2d,
    Tanh,
)
from ffebm_dsl.physics.gradients import EquilibriumPropagation, Estimator
from ffebm_dsl.physics.modules import NamedModules
from ffebm_dsl.physics.network import EnergyBlock, initialise
from ffebm_dsl.physics.relaxation import Relaxation, schedule

TIGHT = 1e-14


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=generator(seed))


def convolutional_energy(
    activation: Activation | None = None, pool: type = AvgPool2d, seed: int = 0
) -> HopfieldEnergy:
    """Three layers: a pooled convolution, a dense coupling, a lateral one, one drive."""
    activation = activation or Tanh()
    layers = [
        Layer("s1", (2, 6, 6), activation),
        Layer("s2", (3, 3, 3), activation),
        Layer("s3", (4,), Identity()),
    ]
    couplings = {
        "s1_s2": Coupling(
            0,
            1,
            NamedModules(
                {
                    "conv2d": Conv2d((2, 6, 6), 3, 3, padding=1),
                    "pool": pool((3, 6, 6), 2, stride=2),
                }
            ),
        ),
        "s2_s3": Coupling(
            1, 2, NamedModules({"flatten": Flatten((3, 3, 3)), "linear": Linear((27,), 4)})
        ),
        "s3_s3": Coupling(2, 2, NamedModules({"linear": Linear((4,), 4)})),
    }
    energy = HopfieldEnergy(layers, couplings, driven=[0]).double()
    initialise(energy, partial(INITIALISERS["normal"].draw, std=0.1), generator(seed))
    return energy


def max_pooled_energy(activation: Activation | None = None, seed: int = 0) -> HopfieldEnergy:
    return convolutional_energy(activation, MaxPool2d, seed)


def chain_energy(sizes: Sequence[int], activation: Activation, seed: int = 0) -> HopfieldEnergy:
    """Dense layers coupled in a chain; the first is driven."""
    layers = [Layer(f"s{i}", (size,), activation) for i, size in enumerate(sizes)]
    couplings = {
        f"s{i}_s{i + 1}": Coupling(i, i + 1, NamedModules({"linear": Linear((a,), b)}))
        for i, (a, b) in enumerate(pairwise(sizes))
    }
    energy = HopfieldEnergy(layers, couplings, driven=[0]).double()
    initialise(energy, partial(INITIALISERS["normal"].draw, std=0.3), generator(seed))
    return energy


def settings(
    energy: HopfieldEnergy,
    sweeps: int = 400,
    tolerance: float = TIGHT,
    order: str = "asynchronous",
    damping: float = 0.0,
    routing_after: int = -1,
) -> Relaxation:
    edges = [(c.source, c.target) for c in energy.couplings]
    plan = schedule(order, len(energy.layers), edges)
    return Relaxation(sweeps, tolerance, plan, damping, routing_after)


def block(
    energy: HopfieldEnergy, estimator: Estimator | None = None, outputs: Sequence[int] = (-1,)
) -> EnergyBlock:
    """A block that relaxes to convergence; by default its last layer is its output."""
    return EnergyBlock(
        energy,
        [i % len(energy.layers) for i in outputs],
        settings(energy),
        settings(energy, order="asynchronous_reversed"),
        estimator or EquilibriumPropagation(beta=1e-3),
    )
