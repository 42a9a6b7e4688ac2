"""``solver = plain``."""

from ffebm_dsl.language.registry import Construct

CONSTRUCT = Construct(
    "plain",
    "each sweep starts where the last one ended",
    equation="s[t + 1] = F(s[t]), F one sweep over all groups of layers",
)
