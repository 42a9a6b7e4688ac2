"""The parameters that optimizers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ffebm_dsl.language.registry import Arguments, Kind, Parameter
from ffebm_dsl.language.registry.parameters import FRACTION, NOT_NEGATIVE, POSITIVE

if TYPE_CHECKING:
    from torch.optim import Optimizer

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


def torch_optimizer(name: str) -> Callable[[Any, Arguments], Optimizer]:
    """What makes ``torch.optim``'s optimizer of that name, with the arguments by name."""

    def make(parameters: Any, arguments: Arguments) -> Optimizer:
        from torch import optim

        own = {k: v for k, v in arguments.items() if k not in (DECAYED.name, GROUPS.name)}
        if "beta1" in own:  # one argument of torch's
            own["betas"] = own.pop("beta1"), own.pop("beta2")
        optimizer: Optimizer = getattr(optim, name)(parameters, **own)
        return optimizer

    return make
