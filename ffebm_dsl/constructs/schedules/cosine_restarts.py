"""``schedule = cosine_restarts``."""

from __future__ import annotations

from ffebm_dsl.constructs.schedules._half_cosine import eta_min, half_cosine
from ffebm_dsl.language.registry import Arguments, EpochPosition, Kind, Parameter, ScheduleConstruct
from ffebm_dsl.language.registry.parameters import AT_LEAST_ONE


def _rate(arguments: Arguments, base: float, progress: EpochPosition) -> float:
    period = arguments["period"]
    done = (progress.epoch % period + progress.part) / period
    return half_cosine(base, arguments["eta_min"], done)


CONSTRUCT = ScheduleConstruct(
    "cosine_restarts",
    "a half cosine over every period, step by step, then back up",
    (
        Parameter("period", Kind.INT, "epochs between restarts", 1, AT_LEAST_ONE),
        eta_min("learning rate at the end of a period"),
    ),
    equation="eta_min + (lr - eta_min) (1 + cos(pi t / period)) / 2, "
    "t epochs since the last restart",
    source="Loshchilov and Hutter 2016, arXiv 1608.03983; PyTorch's CosineAnnealingWarmRestarts",
    deviations=("all periods are of one length",),
    rate=_rate,
)
