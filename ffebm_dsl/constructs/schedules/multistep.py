"""``schedule = multistep``."""

from __future__ import annotations

from ffebm_dsl.constructs.schedules._gamma import GAMMA
from ffebm_dsl.language.registry import Arguments, EpochPosition, Kind, Parameter, ScheduleConstruct
from ffebm_dsl.language.registry.parameters import POSITIVE


def _rate(arguments: Arguments, base: float, progress: EpochPosition) -> float:
    done = progress.epoch + progress.part
    drops = sum(done >= milestone for milestone in arguments["milestones"])
    return base * float(arguments["gamma"]) ** drops


CONSTRUCT = ScheduleConstruct(
    "multistep",
    "a factor at each of some epochs",
    (
        Parameter("milestones", Kind.REALS, "epochs done when the factor applies", bounds=POSITIVE),
        GAMMA,
    ),
    equation="lr gamma^n, n the number of milestones that are reached",
    source="PyTorch's MultiStepLR",
    deviations=("a milestone may lie within an epoch: 2.5",),
    rate=_rate,
    changes=lambda arguments: arguments["milestones"],
)
