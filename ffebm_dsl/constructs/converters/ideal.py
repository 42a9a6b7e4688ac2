"""``drives = ideal`` and so on."""

from ffebm_dsl.language.registry import ConverterConstruct

CONSTRUCT = ConverterConstruct(
    "ideal",
    "numbers pass as they are, in whatever precision they have",
    make=lambda arguments: None,
)
