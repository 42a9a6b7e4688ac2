"""``u -> s1 : ops { ... }``."""

from ffebm_dsl.constructs.connections._weights import NONNEGATIVE
from ffebm_dsl.language.registry import Construct

CONSTRUCT = Construct("drive", "a port that acts on a layer, one way", (NONNEGATIVE,))
