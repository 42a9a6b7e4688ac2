"""``label(size)``."""

from ffebm_dsl.language.registry import Bounds, Kind, Parameter, TargetConstruct

CONSTRUCT = TargetConstruct(
    "label",
    "a class index from 0 to size - 1",
    (Parameter("size", Kind.INT, "number of classes", bounds=Bounds(low=2)),),
    classes=True,
)
