"""A converter: digital numbers to analog quantities."""

from ffebm_dsl.constructs.converters._converter import EQUATION, PARAMETERS, make
from ffebm_dsl.language.registry import ConverterConstruct

CONSTRUCT = ConverterConstruct(
    "dac",
    "digital numbers to analog quantities, in uniform steps",
    PARAMETERS,
    equation=EQUATION,
    make=make,
    into_analog=True,
)
