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
            "what each try multiplies the moves of a sweep by",
            0.5,
            Bounds(low=0.25, high=1, open_high=True),
        ),
        Parameter("limit", Kind.INT, "most damped tries of a batch", 3, Bounds(low=1, high=4)),
        GROWTH,
    ),
    removed=REMOVED,
    retries=lambda arguments: int(arguments["limit"]),
    damping=lambda arguments, tried: float(arguments["factor"]) ** tried,
)
