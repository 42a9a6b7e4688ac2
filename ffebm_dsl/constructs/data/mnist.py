"""``data = mnist``."""

from ffebm_dsl.constructs.data._settings import settings
from ffebm_dsl.language.registry import DataConstruct

CONSTRUCT = DataConstruct(
    "mnist",
    "MNIST, from its four IDX files",
    settings((0.1307,), (0.3081,)),
    source="LeCun et al. 1998 (Proc. IEEE 86)",
    shape=(1, 28, 28),
    classes=10,
)
