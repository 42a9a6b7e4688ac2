"""``data = hdf5``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.data._parameters import PATH, settings
from ffebm_dsl.language.registry import Arguments, DataConstruct

if TYPE_CHECKING:
    from ffebm_dsl.running.datasets.raw import Raw


def _read(arguments: Arguments, data_dir: Path | None, inputs: Sequence[str]) -> Raw:
    from ffebm_dsl.running.datasets.arrays import read_arrays
    from ffebm_dsl.running.hdf5 import read_foreign

    return read_arrays("hdf5", read_foreign, arguments["path"], data_dir, inputs)


CONSTRUCT = DataConstruct(
    "hdf5",
    "datasets of an HDF5 file",
    (PATH, *settings((0.0,), (1.0,))),
    read_named=_read,
)
