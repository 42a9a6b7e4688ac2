"""Gradients of blocks: costs, contrasts of phases, sweeps one by one, comparison."""

from ffebm_dsl.physics.gradients.contrast import nudged_phases
from ffebm_dsl.physics.gradients.phase_transients import ep_transients, unrolled_transients
from ffebm_dsl.physics.gradients.state_cost import LinearCost, LossCost

__all__ = ["LinearCost", "LossCost", "ep_transients", "nudged_phases", "unrolled_transients"]
