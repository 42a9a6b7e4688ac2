"""What policies share."""

from ffebm_dsl.language.registry import Bounds, Kind, Parameter

GROWTH = Parameter(
    "growth",
    Kind.REAL,
    "most that a weight tensor may grow by in a step; its cube: in all",
    10.0,
    Bounds(low=1, open_low=True),
)

REMOVED = {
    "cycling": "leave it out: phases that end in a cycle are recorded, and no longer stop a run"
}
