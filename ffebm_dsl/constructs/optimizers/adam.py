"""``optimizer = adam``."""

from ffebm_dsl.constructs.optimizers._settings import adam, nothing_decays, torch_optimizer
from ffebm_dsl.language.registry import OptimizerConstruct

CONSTRUCT = OptimizerConstruct(
    "adam",
    "Adam; weight decay added to the gradient",
    adam(0.0),
    equation="g = g + weight_decay w; m = beta1 m + (1 - beta1) g; "
    "v = beta2 v + (1 - beta2) g^2; "
    "w = w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)",
    source="Kingma and Ba 2014, arXiv 1412.6980",
    make=torch_optimizer("Adam"),
    conflict=nothing_decays,
)
