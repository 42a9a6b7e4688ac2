"""A data set as read from its files, before it is compared with a spec."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.registry import DATA, Arguments

Array = NDArray[Any]

AT_ONCE = 1 << 22
"""Elements processed at once, so that a memory map is never read whole."""


@dataclass(frozen=True)
class Split:
    """Samples and targets of one split, and their names in messages.

    ``inputs`` has one array per input of a network, in its order, and ``names`` their names.
    """

    inputs: tuple[Array, ...]
    y: Array
    names: tuple[str, ...]
    y_name: str


@dataclass(frozen=True)
class Raw:
    """A data set as read.

    Attributes:
        test: None if the data set has no test set.
        files: names of the files that were read.
        sha256: its fingerprint if already computed, else empty.
    """

    train: Split
    test: Split | None
    files: tuple[str, ...]
    sha256: str = ""


def read_data(
    name: str, arguments: Arguments, data_dir: Path | None, inputs: Sequence[str] = ("x",)
) -> Raw:
    """The data set ``name`` with the arguments of the spec, for inputs of these names.

    Raises:
        InputError: missing or damaged files; the message says which, where and what to do.
    """
    construct = DATA[name]
    raw: Raw
    if construct.read is not None:
        raw = construct.read(arguments, data_dir, construct.files)
    else:
        assert construct.read_named is not None
        raw = construct.read_named(arguments, data_dir, inputs)
    return raw


def fingerprint(arrays: Iterable[Array]) -> str:
    """SHA-256 over the types, shapes and bytes of all arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        for chunk in _chunks(array):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(array: Array) -> Iterator[memoryview]:
    rows = max(1, AT_ONCE // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        yield np.ascontiguousarray(array[start : start + rows]).data


def check_counts(split: Split) -> None:
    """Check that there is one target per sample of every input.

    Raises:
        InputError: the numbers differ.
    """
    for x, name in zip(split.inputs, split.names, strict=True):
        if len(x) != len(split.y):
            raise InputError(
                f"{name} holds {len(x)} samples, {split.y_name} {len(split.y)} targets",
                help="give one target for each sample, in the same order",
            )


def damaged(message: str) -> InputError:
    """An error for a file whose content does not match its name."""
    return InputError(message, help="fetch the file again; it may be damaged")
