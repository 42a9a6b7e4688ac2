"""The IDX format of the original MNIST files, plain or gzip."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.datasets.raw import damaged

MAX_BYTES = 1 << 31
"""No array of this format in use comes near; a bound for what a header may declare."""

MAX_RATIO = 1032
"""No gzip file unpacks to more than so many times its size."""

AT_ONCE = 1 << 16
"""Bytes read at once: how closely the place of a fault in a gzip file is told."""


def read_idx(path: Path, dimensions: int) -> NDArray[Any]:
    """An IDX file of unsigned bytes, whole, as an array of so many dimensions.

    Raises:
        InputError: unreadable, no gzip where the name says so, another magic number, or
            fewer or more bytes than the header declares.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = _read(path, file, 4 + 4 * dimensions)
            shape = _shape(path, header, dimensions)
            _check_size(path, len(header) + math.prod(shape))
            content = _read(path, file, math.prod(shape) + 1, len(header))
    except OSError as error:
        raise damaged(f"{path} cannot be read: {error}") from error
    if len(content) != math.prod(shape):
        place = len(header) + min(len(content), math.prod(shape))
        fault = "ends" if len(content) < math.prod(shape) else "goes on"
        raise damaged(
            f"{path} {fault} at byte {place}, its header declares "
            f"{len(header) + math.prod(shape)} bytes"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read(path: Path, file: io.BufferedIOBase, count: int, done: int = 0) -> bytearray:
    """The next ``count`` bytes behind ``done`` others, or all that are left.

    Raises:
        InputError: they cannot be unpacked; with the place in the unpacked content.
    """
    content = bytearray()
    try:
        while piece := file.read(min(AT_ONCE, count - len(content))):
            content += piece
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        place = done + len(content)
        raise damaged(f"{path} cannot be unpacked beyond byte {place}: {error}") from error
    return content


def _check_size(path: Path, declared: int) -> None:
    """Nothing is read into memory that the file cannot hold."""
    size = path.stat().st_size
    if path.suffix == ".gz" and declared > MAX_RATIO * size:
        raise damaged(f"{path} declares {declared} bytes at byte 4, and has {size}, zipped")
    if path.suffix != ".gz" and declared > size:
        raise damaged(f"{path} ends at byte {size}, its header declares {declared} bytes")


def _shape(path: Path, header: bytearray, dimensions: int) -> tuple[int, ...]:
    magic = bytes([0, 0, 8, dimensions])
    if len(header) < len(magic):
        raise damaged(f"{path} ends at byte {len(header)}, inside its header")
    if header[:4] != magic:
        raise InputError(
            f"{path} starts with the bytes {header[:4].hex(' ')}, not with {magic.hex(' ')}",
            help=f"this must be an IDX file of unsigned bytes with {dimensions} dimensions",
        )
    if len(header) != 4 + 4 * dimensions:
        raise damaged(f"{path} ends at byte {len(header)}, inside its header")
    shape = tuple(int(side) for side in np.frombuffer(header[4:], ">u4"))
    if math.prod(shape) > MAX_BYTES:
        raise damaged(f"{path} declares an array of shape {list(shape)} at byte 4")
    return shape
