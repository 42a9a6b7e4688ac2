"""Energies of analog blocks: activations, couplings, phi, and the update rules they imply."""

from ffebm_dsl.physics.energy.activation import (
    Activation,
    HardSigmoid,
    Identity,
    Relu,
    Sigmoid,
    Tanh,
)
from ffebm_dsl.physics.energy.bound import (
    BoundEnergy,
    EnergyDynamics,
    EnergyGradient,
    Force,
    Layer,
    Routings,
    State,
    inner,
    per_sample,
)
from ffebm_dsl.physics.energy.chain import Coupling, Drive, Routing
from ffebm_dsl.physics.energy.energy import Energy
from ffebm_dsl.physics.energy.hopfield import HopfieldEnergy
from ffebm_dsl.physics.energy.linear_ops import (
    AvgPool2d,
    Conv2d,
    Flatten,
    Identical,
    Linear,
    MaxPool2d,
)
from ffebm_dsl.physics.energy.ops import CouplingOp, LinearOp, OpWeights, RoutedOp, Weights

__all__ = [
    "Activation",
    "AvgPool2d",
    "BoundEnergy",
    "Conv2d",
    "Coupling",
    "CouplingOp",
    "Drive",
    "Energy",
    "EnergyDynamics",
    "EnergyGradient",
    "Flatten",
    "Force",
    "HardSigmoid",
    "HopfieldEnergy",
    "Identical",
    "Identity",
    "Layer",
    "Linear",
    "LinearOp",
    "MaxPool2d",
    "OpWeights",
    "Relu",
    "RoutedOp",
    "Routing",
    "Routings",
    "Sigmoid",
    "State",
    "Tanh",
    "Weights",
    "inner",
    "per_sample",
]
