"""``optimizer = rmsprop``."""

from ffebm_dsl.constructs.optimizers._settings import (
    DECAYED,
    GROUPS,
    learning_rate,
    nothing_decays,
    torch_optimizer,
    weight_decay,
)
from ffebm_dsl.language.registry import Kind, OptimizerConstruct, Parameter
from ffebm_dsl.language.registry.parameters import FRACTION, POSITIVE

CONSTRUCT = OptimizerConstruct(
    "rmsprop",
    "gradients divided by the root of their mean square",
    (
        learning_rate(0.01),
        Parameter("alpha", Kind.REAL, "decay of the mean squared gradient", 0.99, FRACTION),
        Parameter("momentum", Kind.REAL, "part of the last step repeated", 0.0, FRACTION),
        Parameter("eps", Kind.REAL, "added to the denominator", 1e-8, POSITIVE),
        weight_decay(0.0),
        DECAYED,
        GROUPS,
    ),
    equation="g = g + weight_decay w; v = alpha v + (1 - alpha) g^2; "
    "b = momentum b + g / (sqrt(v) + eps); w = w - lr b",
    source="Tieleman and Hinton 2012 (Coursera, Neural Networks for Machine Learning, lecture 6.5)",
    make=torch_optimizer("RMSprop"),
    conflict=nothing_decays,
)
