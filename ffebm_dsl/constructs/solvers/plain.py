"""``solver = plain``."""

from ffebm_dsl.language.registry import SolverConstruct

CONSTRUCT = SolverConstruct(
    "plain",
    "each sweep starts where the last one ended",
    equation="s[t + 1] = F(s[t]), F one sweep over all groups of layers",
    make=lambda arguments, sweeps, read: sweeps,
    noisy=True,
)
