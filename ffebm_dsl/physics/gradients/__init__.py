"""Gradients of blocks: costs, contrasts of phases, sweeps one by one, comparison."""

from ffebm_dsl.physics.gradients.contrast import nudged_phases
from ffebm_dsl.physics.gradients.cost import LinearCost, LossCost
from ffebm_dsl.physics.gradients.transients import ep_transients, unrolled_transients

__all__ = ["LinearCost", "LossCost", "ep_transients", "nudged_phases", "unrolled_transients"]
