"""Small energy blocks and networks shared by the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import torch

from ffebm_dsl.constructs.activations.identity import Identity
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.ops.avg_pool2d import AvgPool2d
from ffebm_dsl.constructs.ops.conv2d import Conv2d
from ffebm_dsl.constructs.ops.flatten import Flatten
from ffebm_dsl.constructs.ops.linear import Linear
from ffebm_dsl.constructs.ops.max_pool2d import MaxPool2d
from ffebm_dsl.constructs.solvers.anderson import Anderson
from ffebm_dsl.language.registry import INITIALISERS
from ffebm_dsl.physics.energy import Coupling, Drive, Energy, HopfieldEnergy
from ffebm_dsl.physics.interfaces import (
    Activation,
    EnergyDynamics,
    Estimator,
    Layer,
    PhaseSettings,
    Relaxation,
    Solution,
    Sweeps,
)
from ffebm_dsl.physics.layout import zeros
from ffebm_dsl.physics.network import BlockSettings, EnergyBlock, initialise
from ffebm_dsl.physics.relaxation import OverRelaxation, relax, schedule

TIGHT = 1e-14

R = TypeVar("R", bound=Relaxation)


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
            {
                "conv2d": Conv2d((2, 6, 6), 3, 3, padding=1),
                "pool": pool((3, 6, 6), 2, stride=2),
            },
        ),
        "s2_s3": Coupling(1, 2, {"flatten": Flatten((3, 3, 3)), "linear": Linear((27,), 4)}),
        "s3_s3": Coupling(2, 2, {"linear": Linear((4,), 4)}),
    }
    energy = HopfieldEnergy(layers, couplings, {"u": Drive(0)}).double()
    initialise(energy, partial(INITIALISERS["normal"].draw, std=0.1), generator(seed))
    return energy


def max_pooled_energy(activation: Activation | None = None, seed: int = 0) -> HopfieldEnergy:
    return convolutional_energy(activation, MaxPool2d, seed)


def chain_energy(sizes: Sequence[int], activation: Activation, seed: int = 0) -> HopfieldEnergy:
    """Dense layers coupled in a chain; the first is driven."""
    layers = [Layer(f"s{i}", (size,), activation) for i, size in enumerate(sizes)]
    couplings = {
        f"s{i}_s{i + 1}": Coupling(i, i + 1, {"linear": Linear((a,), b)})
        for i, (a, b) in enumerate(pairwise(sizes))
    }
    energy = HopfieldEnergy(layers, couplings, {"u": Drive(0)}).double()
    initialise(energy, partial(INITIALISERS["normal"].draw, std=0.3), generator(seed))
    return energy


def settings(
    energy: HopfieldEnergy,
    sweeps: int = 400,
    tolerance: float = TIGHT,
    order: str = "asynchronous",
    damping: float = 0.0,
    freeze_after: int = -1,
) -> PhaseSettings:
    edges = [(c.source, c.target) for c in energy.couplings]
    plan = schedule(order, len(energy.layers), edges)
    return PhaseSettings(sweeps, tolerance, Sweeps(plan, damping), freeze_after)


def block(
    energy: HopfieldEnergy, estimator: Estimator | None = None, outputs: Sequence[int] = (-1,)
) -> EnergyBlock:
    """A block that relaxes to convergence; by default its last layer is its output."""
    return EnergyBlock(
        energy,
        [i % len(energy.layers) for i in outputs],
        BlockSettings(
            settings(energy),
            settings(energy, order="asynchronous_reversed"),
            estimator or EquilibriumPropagation(beta=1e-3),
        ),
    )


def weights_of(energy: Energy) -> dict[str, torch.Tensor]:
    return {name: w.detach() for name, w in energy.weights().items()}


def dynamics_of(energy: Energy, drives: Sequence[torch.Tensor], **options: Any) -> EnergyDynamics:
    """The update rule of an energy at its present weights."""
    return energy.bind(drives, weights_of(energy)).dynamics(**options)


def relaxed(
    energy: Energy, drives: Sequence[torch.Tensor], plan: PhaseSettings
) -> tuple[Solution, EnergyDynamics]:
    """A free phase from zero, and its dynamics at the end."""
    dynamics = dynamics_of(energy, drives, freeze_after=plan.freeze_after)
    return relax(dynamics, zero_state(energy, len(drives[0]), drives[0]), plan), dynamics


def zero_state(energy: Energy, batch: int, like: torch.Tensor) -> list[torch.Tensor]:
    return [zeros(batch, layer.shape, like) for layer in energy.layers]


def over_relaxed(plan: R, omega: float) -> R:
    return replace(plan, solver=OverRelaxation(omega, plan.solver.plain))


def accelerated(plan: R, memory: int, layers: Sequence[int]) -> R:
    return replace(plan, solver=Anderson(memory, tuple(layers), plan.solver))
