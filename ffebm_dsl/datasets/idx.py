"""The IDX format of the original MNIST files, plain or gzip."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.diagnostics import InputError

MAX_BYTES = 1 << 31
"""No array of this format in use comes near; a bound for what a header may declare."""


def read_idx(path: Path, dimensions: int) -> NDArray[Any]:
    """An IDX file of unsigned bytes, whole, as an array of so many dimensions.

    Raises:
        InputError: unreadable, no gzip where the name says so, another magic number, or
            fewer or more bytes than the header declares.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(4 + 4 * dimensions)
            shape = _shape(path, header, dimensions)
            content = file.read(math.prod(shape) + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path} cannot be read: {error}", help="fetch the file again; it may be damaged"
        ) from error
    if len(content) != math.prod(shape):
        place = len(header) + min(len(content), math.prod(shape))
        fault = "ends" if len(content) < math.prod(shape) else "goes on"
        raise InputError(
            f"{path} {fault} at byte {place}, its header declares "
            f"{len(header) + math.prod(shape)} bytes",
            help="fetch the file again; it may be damaged",
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _shape(path: Path, header: bytes, dimensions: int) -> tuple[int, ...]:
    magic = bytes([0, 0, 8, dimensions])
    if header[:4] != magic:
        raise InputError(
            f"{path} starts with the bytes {header[:4].hex(' ')}, not with {magic.hex(' ')}",
            help=f"this must be an IDX file of unsigned bytes with {dimensions} dimensions",
        )
    if len(header) != 4 + 4 * dimensions:
        raise InputError(
            f"{path} ends at byte {len(header)}, inside its header",
            help="fetch the file again; it may be damaged",
        )
    shape = tuple(int(side) for side in np.frombuffer(header[4:], ">u4"))
    if math.prod(shape) > MAX_BYTES:
        raise InputError(
            f"{path} declares an array of shape {list(shape)} at byte 4",
            help="fetch the file again; it may be damaged",
        )
    return shape
