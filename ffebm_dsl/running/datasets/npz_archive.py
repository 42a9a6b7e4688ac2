"""Reading of NumPy's ``.npz`` archives."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.lib import format as npy
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.diagnostics.brief import brief_list
from ffebm_dsl.running.datasets.raw import damaged

FAULTS = (
    *(OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error),
    *(NotImplementedError, RuntimeError),
)
"""Exceptions raised for a damaged archive; RuntimeError for an encrypted one."""


def read_npz(
    path: Path, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, NDArray[Any]]:
    """The arrays ``names`` of an archive, and those of ``optional`` unless it has none of them.

    Raises:
        InputError: not an archive, damaged, an array is missing, or one is not of numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            present = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
            wanted = [*names, *(optional if {*optional} & {*present} else ())]
            for name in wanted:
                if name not in present:
                    raise InputError(
                        f"{path} has no array `{name}`; it has: {brief_list(present)}",
                        help=f"it must have {', '.join(wanted)}",
                    )
            return {name: _read(archive, name, path) for name in wanted}
    except FAULTS as error:
        raise InputError(
            f"{path} cannot be read as an npz archive: {error}",
            help="fetch it again if it came from elsewhere; else write it with "
            "numpy.savez(path, name=array, ...), from arrays of numbers",
        ) from error


def _read(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as file, warnings.catch_warnings():
        # Headers written by Python 2 are accepted too.
        warnings.simplefilter("ignore")
        array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
        # NumPy reads as far as the header says. Read on to the end of the member, where zipfile
        # verifies its checksum.
        if file.read(1):
            raise damaged(f"{name} of {path} goes on after {array.nbytes} bytes of values")
    if not array.shape:
        raise InputError(f"{name} of {path} is a single number", help="give one row per sample")
    return array
