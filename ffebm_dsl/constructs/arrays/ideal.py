"""``weights = ideal``."""

from ffebm_dsl.language.registry import ArrayConstruct

CONSTRUCT = ArrayConstruct(
    "ideal",
    "weights are held as they are",
    make=lambda arguments: None,
    drawn=lambda arguments: False,
)
