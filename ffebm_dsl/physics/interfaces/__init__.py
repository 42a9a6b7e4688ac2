"""Interfaces of the physics: activations, ops, energies, solvers, estimators.

Abstract classes and the values they exchange. Importing this package does not import torch, so
the file of a construct can derive from its classes at no cost.
"""

from ffebm_dsl.physics.interfaces.activation import Activation
from ffebm_dsl.physics.interfaces.bound_energy import (
    BoundEnergy,
    EnergyDynamics,
    EnergyGradient,
    Force,
    Forces,
    Layer,
    Restoring,
    Routing,
    Routings,
    State,
    WrappedDynamics,
    curvature,
    difference,
    inner,
    per_sample,
    together,
)
from ffebm_dsl.physics.interfaces.composition import Composed, compositions, joined
from ffebm_dsl.physics.interfaces.device_settings import (
    FIXED,
    Array,
    Converter,
    DeviceSettings,
    Normal,
    Numbers,
    Transposed,
)
from ffebm_dsl.physics.interfaces.estimator import (
    AutomaticEstimator,
    ContrastiveEstimator,
    Cost,
    Equilibrium,
    Estimator,
    GradientEstimate,
    Phase,
)
from ffebm_dsl.physics.interfaces.noise import (
    Draws,
    Noise,
    PreActivationNoise,
    Stream,
    noisy_dynamics,
)
from ffebm_dsl.physics.interfaces.op import (
    BoundOp,
    CouplingOp,
    LinearOp,
    NonlinearOp,
    RoutedOp,
    Stencil,
    Weights,
    show_sizes,
)
from ffebm_dsl.physics.interfaces.reciprocity import Cycle, layer_weights
from ffebm_dsl.physics.interfaces.relaxation import PhaseSettings, Relaxation, Solution, Status
from ffebm_dsl.physics.interfaces.solver import STEPWISE, Dynamics, Schedule, Solver, Sweep, Sweeps
from ffebm_dsl.physics.interfaces.term import Term

__all__ = [
    "FIXED",
    "STEPWISE",
    "Activation",
    "Array",
    "AutomaticEstimator",
    "BoundEnergy",
    "BoundOp",
    "Composed",
    "ContrastiveEstimator",
    "Converter",
    "Cost",
    "CouplingOp",
    "Cycle",
    "DeviceSettings",
    "Draws",
    "Dynamics",
    "EnergyDynamics",
    "EnergyGradient",
    "Equilibrium",
    "Estimator",
    "Force",
    "Forces",
    "GradientEstimate",
    "Layer",
    "LinearOp",
    "Noise",
    "NonlinearOp",
    "Normal",
    "Numbers",
    "Phase",
    "PhaseSettings",
    "PreActivationNoise",
    "Relaxation",
    "Restoring",
    "RoutedOp",
    "Routing",
    "Routings",
    "Schedule",
    "Solution",
    "Solver",
    "State",
    "Status",
    "Stencil",
    "Stream",
    "Sweep",
    "Sweeps",
    "Term",
    "Transposed",
    "Weights",
    "WrappedDynamics",
    "compositions",
    "curvature",
    "difference",
    "inner",
    "joined",
    "layer_weights",
    "noisy_dynamics",
    "per_sample",
    "show_sizes",
    "together",
]
