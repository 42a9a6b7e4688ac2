"""The keys that phases share."""

from __future__ import annotations

from ffebm_dsl.language.registry import ORDERS, Bounds, Kind, Parameter
from ffebm_dsl.language.registry.parameters import FRACTION, NOT_NEGATIVE


def relaxation(sweeps: int, tolerance: float, order: str) -> tuple[Parameter, ...]:
    """The keys with these defaults."""
    return (
        Parameter("sweeps", Kind.INT, "maximum number of sweeps", sweeps, NOT_NEGATIVE),
        Parameter(
            "tolerance",
            Kind.REAL,
            "relative change of a sample's state below which it stops; 0: never before `sweeps`",
            tolerance,
            NOT_NEGATIVE,
        ),
        Parameter("order", Kind.CHOICE, "order in which layers are updated", order, choices=ORDERS),
        Parameter("damping", Kind.REAL, "part of the old state that is kept", 0.0, FRACTION),
        Parameter(
            "over_relaxation",
            Kind.REAL,
            "how far a state moves, as a multiple of a plain sweep's step",
            1.0,
            Bounds(low=1.0, high=2.0, open_high=True),
        ),
        Parameter("routing", Kind.CALL, "choices of max pooling", "live", table="routings"),
        Parameter("solver", Kind.CALL, "acceleration of the sweeps", "auto", table="solvers"),
        Parameter("noise", Kind.CALLS, "noise that is drawn in every sweep", (), table="noises"),
    )
