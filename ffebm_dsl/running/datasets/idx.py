"""MNIST and Fashion-MNIST: four IDX files of unsigned bytes, plain or gzip."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.registry.data_constructs import DataFiles
from ffebm_dsl.running.datasets.places import locate
from ffebm_dsl.running.datasets.raw import Raw, Split, damaged

IMAGE_DIMENSIONS, LABEL_DIMENSIONS = 3, 1

MAX_BYTES = 1 << 31
"""Limit for the unpacked size, far above any published file of this format."""


def read_mnist(known: DataFiles, data_dir: Path | None) -> Raw:
    """Images (n, rows, columns) and labels (n,) of both sets, with sizes from the headers.

    Raises:
        InputError: missing or damaged files, or a label out of range, with its position.
    """
    located = locate(known, data_dir)
    train = _split(located.train, known.classes)
    test = _split(located.test, known.classes)
    return Raw(train, test, located.names)


def _split(paths: list[Path], classes: int) -> Split:
    images, labels = paths
    y = read_idx(labels, LABEL_DIMENSIONS)
    if len(y) and y.max() >= classes:
        place = int((y >= classes).argmax())
        raise damaged(
            f"{labels} holds the label {y[place]} at byte {place + 8} of its unpacked content; "
            f"labels are 0 to {classes - 1}"
        )
    return Split((read_idx(images, IMAGE_DIMENSIONS),), y, (str(images),), str(labels))


def read_idx(path: Path, dimensions: int) -> NDArray[Any]:
    """The array of an IDX file with this number of dimensions.

    Raises:
        InputError: unreadable, not gzip although the name says so, a wrong magic number, or
            fewer or more bytes than the header declares.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MAX_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(f"{path} cannot be read: {error}") from error
    magic, begin = bytes([0, 0, 8, dimensions]), 4 + 4 * dimensions
    if len(content) < begin:
        raise damaged(f"{path} ends at byte {len(content)}, inside its header")
    if content[:4] != magic:
        raise InputError(
            f"{path} starts with the bytes {content[:4].hex(' ')}, not with {magic.hex(' ')}",
            help=f"this must be an IDX file of unsigned bytes with {dimensions} dimensions",
        )
    shape = tuple(int(side) for side in np.frombuffer(content[4:begin], ">u4"))
    if len(content) != begin + math.prod(shape):
        raise damaged(
            f"{path} has {len(content)} bytes, its header declares {begin + math.prod(shape)}"
        )
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)
