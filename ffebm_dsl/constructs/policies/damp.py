"""``on_bad_step = damp``."""

from ffebm_dsl.constructs.policies._limits import GROWTH, REMOVED
from ffebm_dsl.language.registry import Bounds, Kind, Parameter, PolicyConstruct

CONSTRUCT = PolicyConstruct(
    "damp",
    "the batch is tried again, its relaxations damped",
    (
        Parameter(
            "factor",
            Kind.REAL,
            "factor of the steps of a sweep in each try",
            0.5,
            Bounds(low=0.25, high=1, open_high=True),
        ),
        Parameter(
            "limit", Kind.INT, "maximum number of damped tries of a batch", 3, Bounds(low=1, high=4)
        ),
        GROWTH,
    ),
    removed=REMOVED,
    retries=lambda arguments: int(arguments["limit"]),
    damping=lambda arguments, tried: float(arguments["factor"]) ** tried,
)
