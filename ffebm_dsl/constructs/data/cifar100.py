"""``data = cifar100``."""

from ffebm_dsl.constructs.data._settings import CIFAR, WIDENED, settings
from ffebm_dsl.language.registry import DataConstruct, Kind, Parameter

CONSTRUCT = DataConstruct(
    "cifar100",
    "CIFAR-100, binary or python version",
    (
        *settings(*CIFAR, batch=256),
        Parameter(
            "labels",
            Kind.CHOICE,
            "the 100 classes, or their 20 superclasses",
            "fine",
            choices=("fine", "coarse"),
        ),
    ),
    source="Krizhevsky 2009 (technical report, University of Toronto)",
    deviations=(f"{WIDENED}3 times that of CIFAR-10",),
    shape=(3, 32, 32),
    classes=100,
    coarse_classes=20,
)
