"""``init xavier_normal``."""

from ffebm_dsl.constructs.initialisers._gain import GAIN
from ffebm_dsl.constructs.initialisers._torch import torch_init
from ffebm_dsl.language.registry import InitialiserConstruct

CONSTRUCT = InitialiserConstruct(
    "xavier_normal",
    "Glorot's normal weights",
    (GAIN,),
    equation="w normal with mean 0 and standard deviation gain sqrt(2 / (fan_in + fan_out))",
    source="Glorot and Bengio 2010 (AISTATS)",
    draw=torch_init("xavier_normal_"),
)
