"""A converter: analog quantities to digital numbers."""

from ffebm_dsl.constructs.converters._converter import EQUATION, PARAMETERS, make
from ffebm_dsl.language.registry import ConverterConstruct

CONSTRUCT = ConverterConstruct(
    "adc",
    "analog quantities to digital numbers, in uniform steps",
    PARAMETERS,
    equation=EQUATION,
    make=make,
    into_analog=False,
)
