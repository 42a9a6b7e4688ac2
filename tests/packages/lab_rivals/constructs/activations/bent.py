"""``bent``, which lab-devices has too."""

from ffebm_dsl.language.registry import ACTIVATIONS

CONSTRUCT = ACTIVATIONS["tanh"]
