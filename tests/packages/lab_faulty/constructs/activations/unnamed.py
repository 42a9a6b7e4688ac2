"""A file without the construct that its name promises."""

from ffebm_dsl.language.registry import ACTIVATIONS

CONSTRUCT = ACTIVATIONS["tanh"]
