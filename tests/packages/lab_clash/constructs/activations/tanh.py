"""``tanh``, which ffebm has already."""

from ffebm_dsl.language.registry import ACTIVATIONS

CONSTRUCT = ACTIVATIONS["tanh"]
