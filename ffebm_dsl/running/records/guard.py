"""What is taken from an HDF5 file: plain arrays and texts that lie in the file itself.

Everything is checked before it is read: links, where values come from, types, filters, and
how much is declared. ``foreign`` runs this in a process of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FILTERS = frozenset({h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32})
MAX_TEXT_BYTES = 1 << 26
MAX_ATTRIBUTE_BYTES = 1 << 16
MAX_RATIO = 1000
"""Bytes declared for a byte stored; deflate cannot reach 1,033."""

FREE_BYTES = 1 << 24
"""Up to so much may be declared without being stored: empty columns have chunks too."""

BLOCK_BYTES = 1 << 24
TEXTS_AT_ONCE = 1000


class Refused(Exception):
    """The file holds something that is not taken; the message says what and where."""


@dataclass(frozen=True)
class Found:
    """A dataset that may be read: its path, and whether it holds text."""

    name: str
    dataset: h5py.Dataset
    is_text: bool

    @property
    def nbytes(self) -> int:
        nbytes: int = math.prod(self.dataset.shape) * self.dataset.dtype.itemsize
        return nbytes


def find(file: h5py.File, names: Sequence[str], most: int) -> list[Found]:
    """Those of the datasets ``names``, paths like ``/run/train/loss``, that are there, checked.

    Raises:
        Refused: one is not plain data in the file itself, or all declare over ``most`` bytes.
    """
    found = []
    for name in names:
        dataset = _walk(file, name)
        if dataset is not None:
            found.append(_checked(name, dataset))
    total = sum(entry.nbytes for entry in found)
    if total > most:
        raise Refused(f"declares {total} bytes; at most {most} are read")
    return found


def attributes(file: h5py.File, node: str, names: Sequence[str]) -> dict[str, str]:
    """Those attributes of a group that are texts of bounded length."""
    group = _walk(file, node) if node else file
    found: dict[str, str] = {}
    for name in names:
        if group is None or name not in group.attrs:
            continue
        identifier = group.attrs.get_id(name)
        if identifier.get_storage_size() <= MAX_ATTRIBUTE_BYTES:
            value = group.attrs[name]
            if isinstance(value, str) and len(value) <= MAX_ATTRIBUTE_BYTES:
                found[name] = value
    return found


def texts(entry: Found) -> Array:
    """The texts of a dataset, as Python strings in an array of its shape.

    Raises:
        Refused: they are longer than any that ffebm reads, or not UTF-8.
    """
    dataset = entry.dataset
    if math.prod(dataset.shape) > MAX_TEXT_BYTES:
        raise Refused(f"{entry.name} declares {math.prod(dataset.shape)} texts")
    values = np.empty(dataset.shape, object)
    length = 0
    for place in _blocks(dataset, TEXTS_AT_ONCE):
        block = dataset.asstr("utf-8")[place]
        length += sum(map(len, np.ravel(np.asarray(block, object))))
        if length > MAX_TEXT_BYTES:
            raise Refused(f"{entry.name} holds more than {MAX_TEXT_BYTES} characters")
        values[place] = block
    return values


def blocks(entry: Found) -> Iterator[Array]:
    """The numbers of a dataset in order, some rows at a time and whole chunks where it can."""
    dataset = entry.dataset
    row = max(1, math.prod(dataset.shape[1:]) * dataset.dtype.itemsize)
    rows = max(1, BLOCK_BYTES // row)
    if dataset.chunks is not None:
        rows = -(-rows // dataset.chunks[0]) * dataset.chunks[0]
    for place in _blocks(dataset, rows):
        yield np.ascontiguousarray(dataset[place])


def _blocks(dataset: h5py.Dataset, rows: int) -> Iterator[Any]:
    if not dataset.shape:
        yield ()
        return
    for start in range(0, dataset.shape[0], rows):
        yield slice(start, min(start + rows, dataset.shape[0]))


def _walk(file: h5py.File, name: str) -> Any:
    """The object at a path of hard links, or None where it ends early."""
    node = file
    parts = name.strip("/").split("/")
    for depth, part in enumerate(parts):
        where = "/" + "/".join(parts[: depth + 1])
        if not isinstance(node, h5py.Group):
            raise Refused(f"{where.rpartition('/')[0]} is not a group")
        link = node.get(part, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise Refused(f"{where} is a link to another place")
        node = node[part]
    return node


def _checked(name: str, dataset: Any) -> Found:
    if not isinstance(dataset, h5py.Dataset):
        raise Refused(f"{name} is not a dataset")
    if dataset.is_virtual or dataset.external:
        raise Refused(f"{name} takes its values from another file")
    if dataset.shape is None:
        raise Refused(f"{name} is empty")
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    dtype = dataset.dtype
    if not is_text and (dtype.kind not in "iufb" or dtype.itemsize > 8 or dtype.shape):
        raise Refused(f"{name} has type {dtype}")
    plist = dataset.id.get_create_plist()
    for i in range(plist.get_nfilters()):
        if plist.get_filter(i)[0] not in FILTERS:
            raise Refused(f"{name} is packed with filter {plist.get_filter(i)[0]}")
    entry = Found(name, dataset, is_text)
    stored = dataset.id.get_storage_size()
    if entry.nbytes > FREE_BYTES and entry.nbytes > MAX_RATIO * stored:
        raise Refused(f"{name} declares {entry.nbytes} bytes and stores {stored}")
    return entry
