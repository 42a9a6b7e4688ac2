"""``s1 <-> s2 : ops { ... }``."""

from ffebm_dsl.constructs.connections._weights import NONNEGATIVE
from ffebm_dsl.language.registry import Construct

CONSTRUCT = Construct("coupling", "a coupling of two layers, which acts both ways", (NONNEGATIVE,))
