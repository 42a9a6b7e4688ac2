"""Relaxation to a fixed point: one loop, layer orders, and how each sample ended."""

from ffebm_dsl.relaxation.order import ORDERS, Schedule, schedule
from ffebm_dsl.relaxation.relax import Dynamics, relax
from ffebm_dsl.relaxation.solution import Relaxation, Solution, Status

__all__ = [
    "ORDERS",
    "Dynamics",
    "Relaxation",
    "Schedule",
    "Solution",
    "Status",
    "relax",
    "schedule",
]
