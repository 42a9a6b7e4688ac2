"""Relaxation to a fixed point: one loop, layer orders, and how each sample ended."""

from ffebm_dsl.physics.relaxation.anderson import Anderson
from ffebm_dsl.physics.relaxation.order import ORDERS, Schedule, carried, schedule
from ffebm_dsl.physics.relaxation.relax import Dynamics, forward_pass, relax
from ffebm_dsl.physics.relaxation.samples import CYCLE_SIZE
from ffebm_dsl.physics.relaxation.solution import Relaxation, Solution, Status

__all__ = [
    "CYCLE_SIZE",
    "ORDERS",
    "Anderson",
    "Dynamics",
    "Relaxation",
    "Schedule",
    "Solution",
    "Status",
    "carried",
    "forward_pass",
    "relax",
    "schedule",
]
