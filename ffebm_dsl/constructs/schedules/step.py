"""``schedule = step``."""

from __future__ import annotations

from ffebm_dsl.constructs.schedules._gamma import GAMMA
from ffebm_dsl.language.registry import Arguments, EpochPosition, Kind, Parameter, ScheduleConstruct
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE


def _rate(arguments: Arguments, base: float, progress: EpochPosition) -> float:
    drops: int = progress.epoch // arguments["size"]
    return base * float(arguments["gamma"]) ** drops


CONSTRUCT = ScheduleConstruct(
    "step",
    "a factor every few epochs",
    (
        Parameter("size", Kind.INT, "epochs between steps", bounds=AT_LEAST_ONE),
        GAMMA,
    ),
    equation="lr gamma^floor(epoch / size)",
    source="PyTorch's StepLR",
    rate=_rate,
    changes=lambda arguments: (arguments["size"],),
)
