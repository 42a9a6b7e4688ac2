"""``schedule = cosine``."""

from __future__ import annotations

from ffebm_dsl.constructs.schedules._half_cosine import eta_min, half_cosine
from ffebm_dsl.language.registry import Arguments, EpochPosition, ScheduleConstruct


def _rate(arguments: Arguments, base: float, progress: EpochPosition) -> float:
    return half_cosine(base, arguments["eta_min"], progress.epoch / progress.epochs)


CONSTRUCT = ScheduleConstruct(
    "cosine",
    "a half cosine over all epochs, one value per epoch",
    (eta_min("learning rate at the end"),),
    equation="eta_min + (lr - eta_min) (1 + cos(pi epoch / epochs)) / 2",
    source="Loshchilov and Hutter 2016, arXiv 1608.03983; PyTorch's CosineAnnealingLR",
    rate=_rate,
    changes=lambda arguments: (1,),
)
