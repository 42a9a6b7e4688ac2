"""Relaxation to a fixed point: one loop, layer orders, over-relaxation."""

from ffebm_dsl.physics.relaxation.full_length import CYCLE_SIZE
from ffebm_dsl.physics.relaxation.order import ORDERS, carried, schedule
from ffebm_dsl.physics.relaxation.over_relaxation import OverRelaxation
from ffebm_dsl.physics.relaxation.relax import forward_pass, relax

__all__ = [
    "CYCLE_SIZE",
    "ORDERS",
    "OverRelaxation",
    "carried",
    "forward_pass",
    "relax",
    "schedule",
]
