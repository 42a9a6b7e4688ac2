"""``data = npz``."""

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
    from ffebm_dsl.running.datasets.npz_archive import read_npz

    return read_arrays("npz", read_npz, arguments["path"], data_dir, inputs)


CONSTRUCT = DataConstruct(
    "npz",
    "arrays of a NumPy .npz file",
    (PATH, *settings((0.0,), (1.0,))),
    read_named=_read,
)
