"""Noise on pre-activations."""

from ffebm_dsl.language.registry import Kind, NoiseConstruct, Parameter
from ffebm_dsl.language.registry.parameters import NOT_NEGATIVE
from ffebm_dsl.physics.interfaces import PreActivationNoise

CONSTRUCT = NoiseConstruct(
    "read",
    "normal noise on every pre-activation",
    (Parameter("deviation", Kind.REAL, "standard deviation", bounds=NOT_NEGATIVE),),
    equation="s <- sigma(v + deviation * xi), xi ~ N(0, 1) anew in every sweep, unit and sample",
    source="as in the code of Laborieux and Zenke 2022, arXiv 2209.00530",
    make=lambda arguments: PreActivationNoise(arguments["deviation"]),
)
