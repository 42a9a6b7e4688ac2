"""``on_bad_step = stop``."""

from ffebm_dsl.constructs.policies._limits import GROWTH, REMOVED
from ffebm_dsl.language.registry import PolicyConstruct

CONSTRUCT = PolicyConstruct(
    "stop", "the run ends, saved as it was before the step", (GROWTH,), removed=REMOVED
)
