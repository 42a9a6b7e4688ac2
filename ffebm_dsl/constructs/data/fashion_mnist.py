"""``data = fashion_mnist``."""

from ffebm_dsl.constructs.data._settings import settings
from ffebm_dsl.language.registry import DataConstruct

CONSTRUCT = DataConstruct(
    "fashion_mnist",
    "Fashion-MNIST, from its four IDX files",
    settings((0.286,), (0.353,)),
    source="Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747",
    shape=(1, 28, 28),
    classes=10,
)
