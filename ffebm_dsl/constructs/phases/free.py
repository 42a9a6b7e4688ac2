"""``relax free``."""

from ffebm_dsl.constructs.phases._relaxation import relaxation
from ffebm_dsl.language.registry import Construct, Kind, Parameter

CONSTRUCT = Construct(
    "free",
    "relaxation from zeros",
    (
        *relaxation(100, 1e-5, "asynchronous"),
        Parameter(
            "start",
            Kind.CHOICE,
            "initial states: zero, or those of one pass from the first layer to the last",
            "zeros",
            choices=("zeros", "feedforward"),
        ),
    ),
)
