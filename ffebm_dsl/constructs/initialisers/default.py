"""``init default``."""

import math

from ffebm_dsl.constructs.initialisers._torch import torch_init
from ffebm_dsl.language.registry import InitialiserConstruct

CONSTRUCT = InitialiserConstruct(
    "default",
    "PyTorch's own initialisation of conv2d and linear",
    equation="w uniform on [-1 / sqrt(fan_in), 1 / sqrt(fan_in)]",
    deviations=("the numbers are drawn in float64 from the spec's seed, not from torch's",),
    draw=torch_init("kaiming_uniform_", a=math.sqrt(5)),
)
