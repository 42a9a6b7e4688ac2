"""``schedule = constant``."""

from ffebm_dsl.language.registry import ScheduleConstruct

CONSTRUCT = ScheduleConstruct(
    "constant",
    "the learning rate as it is",
    equation="lr",
    rate=lambda arguments, base, progress: base,
)
