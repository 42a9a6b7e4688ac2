"""The parameters that optimizers share."""

from __future__ import annotations

from typing import Any

from ffebm_dsl.language.registry import Arguments, Kind, Parameter
from ffebm_dsl.language.registry.parameters import FRACTION, NOT_NEGATIVE, POSITIVE

DECAYED = Parameter(
    "decayed",
    Kind.CHOICE,
    "what `weight_decay` pulls: `all` parameters, or `weights`, so not biases and scales",
    "all",
    choices=("all", "weights"),
)
GROUPS = Parameter("groups", Kind.CALLS, "parts with settings of their own", (), table="groups")


def learning_rate(default: float) -> Parameter:
    return Parameter("lr", Kind.REAL, "learning rate", default, POSITIVE)


def weight_decay(default: float) -> Parameter:
    return Parameter("weight_decay", Kind.REAL, "pull towards zero", default, NOT_NEGATIVE)


def nothing_decays(arguments: Arguments) -> tuple[str, str] | None:
    """The error if ``decayed`` would have no effect; otherwise None."""
    if arguments["decayed"] == "all" or arguments["weight_decay"] > 0:
        return None
    return "`decayed` needs a `weight_decay` above 0", "add `weight_decay=0.01`"


def adam(decay: float) -> tuple[Parameter, ...]:
    """The parameters of Adam and AdamW."""
    return (
        learning_rate(1e-3),
        Parameter("beta1", Kind.REAL, "decay of the mean gradient", 0.9, FRACTION),
        Parameter("beta2", Kind.REAL, "decay of the mean squared gradient", 0.999, FRACTION),
        Parameter("eps", Kind.REAL, "added to the denominator", 1e-8, POSITIVE),
        weight_decay(decay),
        DECAYED,
        GROUPS,
    )


def adam_arguments(arguments: Arguments) -> dict[str, Any]:
    """The arguments of Adam and AdamW in torch."""
    return {
        "lr": arguments["lr"],
        "betas": (arguments["beta1"], arguments["beta2"]),
        "eps": arguments["eps"],
        "weight_decay": arguments["weight_decay"],
    }
