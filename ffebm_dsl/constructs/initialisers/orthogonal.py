"""``init orthogonal``."""

from ffebm_dsl.constructs.initialisers._gain import GAIN
from ffebm_dsl.constructs.initialisers._torch import torch_init
from ffebm_dsl.language.registry import InitialiserConstruct

CONSTRUCT = InitialiserConstruct(
    "orthogonal",
    "orthogonal weights",
    (GAIN,),
    equation="W W^T = gain^2 I or W^T W = gain^2 I, W the weight as outputs x (all inputs)",
    source="Saxe, McClelland and Ganguli 2013, arXiv 1312.6120",
    draw=torch_init("orthogonal_"),
)
