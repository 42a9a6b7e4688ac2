"""``data = hdf5``."""

from ffebm_dsl.constructs.data._settings import PATH, settings
from ffebm_dsl.language.registry import DataConstruct

CONSTRUCT = DataConstruct(
    "hdf5",
    "datasets of an HDF5 file",
    (PATH, *settings((0.0,), (1.0,))),
)
