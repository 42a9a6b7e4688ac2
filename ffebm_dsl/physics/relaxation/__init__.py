"""Relaxation to a fixed point: one loop, layer orders, and how each sample ended."""

from ffebm_dsl.physics.relaxation.anderson import Anderson
from ffebm_dsl.physics.relaxation.order import ORDERS, Schedule, carried, schedule
from ffebm_dsl.physics.relaxation.relax import Dynamics, forward_pass, sweep_to_rest
from ffebm_dsl.physics.relaxation.samples import CYCLE_SIZE
from ffebm_dsl.physics.relaxation.solution import Relaxation, Solution, Status
from ffebm_dsl.physics.relaxation.stages import relax

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
    "sweep_to_rest",
]
