"""A file that does not hold what its name says."""

from ffebm_dsl.language.registry import ACTIVATIONS

CONSTRUCT = ACTIVATIONS["tanh"]
