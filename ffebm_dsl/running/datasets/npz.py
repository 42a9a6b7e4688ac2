"""Arrays of NumPy's ``.npz`` archives, checked before memory is given to them.

What an array's header declares, what the archive's directory declares and what the file
holds must agree, and a member that unpacks to far more than it takes is refused.
"""

from __future__ import annotations

import math
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.datasets.raw import damaged

FAULTS = (
    OSError,
    ValueError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
)
"""What reading a damaged archive raises; RuntimeError for an encrypted one."""

UNSUSPECTED = 1 << 28
MAX_RATIO = 200
"""A member beyond so many bytes may not unpack to so many times what it takes: images do not."""

HEADER_BYTES = 1 << 16

SIGNATURE = b"PK\x03\x04"
"""How an archive that holds anything begins."""

AT_ONCE = 1 << 24
"""Bytes read at once."""


@dataclass(frozen=True)
class Member:
    """An array of an archive, and where its values begin in the unpacked member."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@contextmanager
def open_npz(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever reading it raises is an InputError that names the file."""
    try:
        if not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile(_no_archive(path))
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FAULTS as error:
        raise InputError(
            f"{path} cannot be read as an npz archive: {error}",
            help="fetch it again if it came from elsewhere; else write it with "
            "numpy.savez(path, name=array, ...), from arrays of numbers",
        ) from error


def _no_archive(path: Path) -> str:
    """Why a file is no archive; an archive's directory is at its end."""
    with path.open("rb") as file:
        start = file.read(len(SIGNATURE))
    if SIGNATURE.startswith(start):
        return f"it ends at byte {path.stat().st_size}, without an archive's directory"
    return f"it starts with the bytes {start.hex(' ')}, not with {SIGNATURE.hex(' ')}"


def names(archive: zipfile.ZipFile) -> list[str]:
    """Names of the arrays."""
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def member(archive: zipfile.ZipFile, name: str, path: Path) -> Member:
    """What an array's header says, compared with the archive's directory.

    Raises:
        InputError: no such array, no plain numbers, sizes that disagree, a suspicious ratio.
    """
    info = archive.getinfo(f"{name}.npy")
    if info.file_size > UNSUSPECTED and info.file_size > MAX_RATIO * info.compress_size:
        raise damaged(
            f"{name} of {path} unpacks from {info.compress_size} bytes to {info.file_size}"
        )
    with archive.open(info) as file:
        shape, fortran, dtype = _header(file)
        found = Member(name, shape, dtype, fortran, file.tell())
    if dtype.hasobject or dtype.kind == "V":
        raise InputError(
            f"{name} of {path} holds Python objects or records, not numbers",
            help="save arrays of numbers: what objects say would have to be run to be read",
        )
    if found.offset + found.bytes != info.file_size:
        raise damaged(
            f"{name} of {path} declares shape {list(shape)} and type {dtype} at byte 0, which is "
            f"{found.bytes} bytes, and holds {info.file_size - found.offset}"
        )
    return found


def read(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    """An array, whole."""
    found = member(archive, name, path)
    if not found.shape:
        raise InputError(f"{name} of {path} is a single number", help="give one row per sample")
    values = np.empty(found.shape, found.dtype, order="F" if found.fortran else "C")
    flat = values.reshape(-1, order="A").view(np.uint8)
    done = 0
    for chunk in _chunks(archive, found, path, AT_ONCE):
        flat[done : done + len(chunk)] = np.frombuffer(chunk, np.uint8)
        done += len(chunk)
    return values


def rows(archive: zipfile.ZipFile, found: Member, path: Path) -> Iterator[NDArray[Any]]:
    """An array in C order, a few megabytes of rows at once."""
    if found.fortran:
        raise damaged(f"{found.name} of {path} is in Fortran order")
    row = math.prod(found.shape[1:]) * found.dtype.itemsize
    for chunk in _chunks(archive, found, path, max(1, AT_ONCE // row) * row):
        yield np.frombuffer(chunk, found.dtype).reshape(-1, *found.shape[1:])


def _chunks(archive: zipfile.ZipFile, found: Member, path: Path, at_once: int) -> Iterator[bytes]:
    with archive.open(f"{found.name}.npy") as file:
        file.read(found.offset)
        done = 0
        while done < found.bytes:
            try:
                chunk = file.read(min(at_once, found.bytes - done))
            except (EOFError, zipfile.BadZipFile, zlib.error) as error:
                place = f"{found.name} cannot be unpacked beyond byte {found.offset + done}"
                raise zipfile.BadZipFile(f"{place}: {error}") from error
            done += len(chunk)
            if len(chunk) < at_once and done < found.bytes:
                raise damaged(f"{found.name} of {path} ends at byte {found.offset + done}")
            yield chunk
        # Reading up to the end is what makes the archive compare the checksum.
        if file.read(1):
            raise damaged(f"{found.name} of {path} goes on at byte {found.offset + done}")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type; ValueError where there is no header of a known version."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array is in version {version} of the format")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    with warnings.catch_warnings():
        # Headers written by Python 2 are read as well as any.
        warnings.simplefilter("ignore")
        shape, fortran, dtype = read_header(file, max_header_size=HEADER_BYTES)
    if not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError(f"an array declares the shape {shape}")
    return tuple(shape), bool(fortran), dtype
