"""``optimizer = sgd``."""

from __future__ import annotations

from ffebm_dsl.constructs.optimizers._settings import (
    DECAYED,
    GROUPS,
    nothing_decays,
    torch_optimizer,
    weight_decay,
)
from ffebm_dsl.language.registry import Arguments, Kind, OptimizerConstruct, Parameter
from ffebm_dsl.language.registry.parameters import FRACTION, POSITIVE


def _conflict(arguments: Arguments) -> tuple[str, str] | None:
    if arguments["nesterov"] and arguments["momentum"] == 0:
        return "`nesterov` needs a `momentum` above 0", "add `momentum=0.9`"
    return nothing_decays(arguments)


CONSTRUCT = OptimizerConstruct(
    "sgd",
    "gradient descent",
    (
        Parameter("lr", Kind.REAL, "learning rate", bounds=POSITIVE),
        Parameter("momentum", Kind.REAL, "part of the last step repeated", 0.0, FRACTION),
        Parameter("nesterov", Kind.BOOL, "Nesterov's momentum", False),
        weight_decay(0.0),
        DECAYED,
        GROUPS,
    ),
    equation="v = momentum v + g + weight_decay w; w = w - lr v, or with nesterov "
    "w = w - lr (g + weight_decay w + momentum v)",
    source="Polyak 1964; Nesterov's momentum as in Sutskever et al. 2013 (ICML)",
    deviations=(
        "as in PyTorch, lr multiplies the velocity; in Sutskever et al. the gradient in it",
    ),
    make=torch_optimizer("SGD"),
    conflict=_conflict,
)
