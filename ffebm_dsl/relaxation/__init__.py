"""Relaxation to a fixed point: one loop, layer orders, and how each sample ended."""

from ffebm_dsl.relaxation.order import ORDERS, Schedule, schedule
from ffebm_dsl.relaxation.relax import Dynamics, Relaxation, Solution, Status, relax

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
