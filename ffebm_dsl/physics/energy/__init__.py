"""Energies of analog blocks: activations, couplings, phi, and the update rules they imply."""

from ffebm_dsl.physics.energy.activation import (
    Activation,
    HardSigmoid,
    Identity,
    Relu,
    Sigmoid,
    Tanh,
)
from ffebm_dsl.physics.energy.coupling import Coupling, PreparedCoupling, Routing
from ffebm_dsl.physics.energy.dynamics import AdjointDynamics, Force, HopfieldDynamics
from ffebm_dsl.physics.energy.hopfield import HopfieldEnergy, Layer, Routings, State, inner
from ffebm_dsl.physics.energy.ops import (
    AvgPool2d,
    Conv2d,
    CouplingOp,
    Flatten,
    Identical,
    Linear,
    LinearOp,
    MaxPool2d,
)

__all__ = [
    "Activation",
    "AdjointDynamics",
    "AvgPool2d",
    "Conv2d",
    "Coupling",
    "CouplingOp",
    "Flatten",
    "Force",
    "HardSigmoid",
    "HopfieldDynamics",
    "HopfieldEnergy",
    "Identical",
    "Identity",
    "Layer",
    "Linear",
    "LinearOp",
    "MaxPool2d",
    "PreparedCoupling",
    "Relu",
    "Routing",
    "Routings",
    "Sigmoid",
    "State",
    "Tanh",
    "inner",
]
