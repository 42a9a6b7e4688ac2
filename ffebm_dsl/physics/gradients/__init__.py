"""Gradient estimators for energy blocks, behind one interface."""

from ffebm_dsl.physics.gradients.eqprop import VARIANTS, EquilibriumPropagation, nudged_phases
from ffebm_dsl.physics.gradients.estimator import (
    Cost,
    Equilibrium,
    Estimator,
    GradientEstimate,
    LinearCost,
    LossCost,
    PhaseSettings,
)
from ffebm_dsl.physics.gradients.implicit import Implicit
from ffebm_dsl.physics.gradients.transients import ep_transients, unrolled_transients
from ffebm_dsl.physics.gradients.unrolled import Unrolled

__all__ = [
    "VARIANTS",
    "Cost",
    "Equilibrium",
    "EquilibriumPropagation",
    "Estimator",
    "GradientEstimate",
    "Implicit",
    "LinearCost",
    "LossCost",
    "PhaseSettings",
    "Unrolled",
    "ep_transients",
    "nudged_phases",
    "unrolled_transients",
]
