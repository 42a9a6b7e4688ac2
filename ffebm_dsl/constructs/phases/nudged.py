"""``relax nudged``."""

from ffebm_dsl.constructs.phases._relaxation import relaxation
from ffebm_dsl.language.registry import Construct

CONSTRUCT = Construct(
    "nudged",
    "relaxation from the free state, with the output nudged",
    relaxation(20, 0.0, "asynchronous_reversed"),
)
