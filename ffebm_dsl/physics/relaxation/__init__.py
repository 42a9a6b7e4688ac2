"""Relaxation to a fixed point: one loop, solvers, layer orders, and how each sample ended."""

from ffebm_dsl.physics.relaxation.anderson import Anderson
from ffebm_dsl.physics.relaxation.order import ORDERS, Schedule, carried, schedule
from ffebm_dsl.physics.relaxation.over_relaxation import OverRelaxation
from ffebm_dsl.physics.relaxation.relax import forward_pass, relax
from ffebm_dsl.physics.relaxation.samples import CYCLE_SIZE
from ffebm_dsl.physics.relaxation.solution import Relaxation, Solution, Status
from ffebm_dsl.physics.relaxation.solver import Dynamics, Solver, Sweep, Sweeps

__all__ = [
    "CYCLE_SIZE",
    "ORDERS",
    "Anderson",
    "Dynamics",
    "OverRelaxation",
    "Relaxation",
    "Schedule",
    "Solution",
    "Solver",
    "Status",
    "Sweep",
    "Sweeps",
    "carried",
    "forward_pass",
    "relax",
    "schedule",
]
