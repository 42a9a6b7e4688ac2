"""``data = cifar10``."""

from ffebm_dsl.constructs.data._settings import CIFAR, WIDENED, settings
from ffebm_dsl.language.registry import DataConstruct

CONSTRUCT = DataConstruct(
    "cifar10",
    "CIFAR-10, binary or python version",
    settings(*CIFAR, batch=128),
    source="Krizhevsky 2009 (technical report, University of Toronto)",
    deviations=(f"{WIDENED}3 times",),
    shape=(3, 32, 32),
    classes=10,
)
