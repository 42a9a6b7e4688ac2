"""``optimizer = adamw``."""

from ffebm_dsl.constructs.optimizers._settings import adam, nothing_decays, torch_optimizer
from ffebm_dsl.language.registry import OptimizerConstruct

CONSTRUCT = OptimizerConstruct(
    "adamw",
    "Adam; weight decay apart from the gradient",
    adam(0.01),
    equation="w = w - lr weight_decay w; m = beta1 m + (1 - beta1) g; "
    "v = beta2 v + (1 - beta2) g^2; "
    "w = w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)",
    source="Loshchilov and Hutter 2017, arXiv 1711.05101",
    make=torch_optimizer("AdamW"),
    conflict=nothing_decays,
)
