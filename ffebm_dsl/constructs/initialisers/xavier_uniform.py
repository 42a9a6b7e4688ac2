"""``init xavier_uniform``."""

from ffebm_dsl.constructs.initialisers._gain import GAIN
from ffebm_dsl.constructs.initialisers._torch import torch_init
from ffebm_dsl.language.registry import InitialiserConstruct

CONSTRUCT = InitialiserConstruct(
    "xavier_uniform",
    "Glorot's uniform weights",
    (GAIN,),
    equation="w uniform on [-a, a], a = gain sqrt(6 / (fan_in + fan_out))",
    source="Glorot and Bengio 2010 (AISTATS)",
    draw=torch_init("xavier_uniform_"),
)
