"""``data = npz``."""

from ffebm_dsl.constructs.data._settings import PATH, settings
from ffebm_dsl.language.registry import DataConstruct

CONSTRUCT = DataConstruct(
    "npz",
    "arrays of a NumPy .npz file",
    (PATH, *settings((0.0,), (1.0,))),
)
