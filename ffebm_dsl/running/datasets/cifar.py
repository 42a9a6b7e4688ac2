"""CIFAR-10 and CIFAR-100, in the binary and in the Python version.

Binary: records of one label byte (CIFAR-100: coarse, then fine) and 3072 pixels, the red, green
and blue plane in turn, row by row. Python: pickled dictionaries with the same pixels as ``data``
(n, 3072), and lists of labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.diagnostics.brief import brief_list
from ffebm_dsl.language.registry.data_constructs import DataFiles, Form
from ffebm_dsl.running.datasets.pickles import read_pickle
from ffebm_dsl.running.datasets.places import Located, locate
from ffebm_dsl.running.datasets.raw import Raw, Split, damaged

SIDE = 32
PIXELS = 3 * SIDE * SIDE

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Labels:
    """A set of labels in a file: its key, the position of its byte, its number of classes."""

    key: str
    column: int
    classes: int


TEN = Labels("labels", 0, 10)
HUNDRED = {"coarse": Labels("coarse_labels", 0, 20), "fine": Labels("fine_labels", 1, 100)}


def read_cifar10(known: DataFiles, data_dir: Path | None) -> Raw:
    """Images (n, 3, 32, 32) and labels; ``known`` gives their number.

    Raises:
        InputError: missing, damaged or mislabelled files, with the position of the byte.
    """
    return _read(locate(known, data_dir), TEN, label_bytes=1)


def read_cifar100(known: DataFiles, data_dir: Path | None, which: str = "fine") -> Raw:
    """The same, with ``fine`` labels (100 classes) or ``coarse`` ones (20)."""
    return _read(locate(known, data_dir), HUNDRED[which], label_bytes=2)


def _read(located: Located, labels: Labels, label_bytes: int) -> Raw:
    def split(paths: list[Path], images: int, what: str) -> Split:
        x = np.empty((images, 3, SIDE, SIDE), np.uint8)
        y = np.empty(images, np.uint8)
        each = images // len(paths)
        for number, path in enumerate(paths):
            rows = slice(number * each, (number + 1) * each)
            if located.layout.form is Form.BINARY:
                pixels, y[rows] = _read_binary(path, labels, label_bytes, each)
            else:
                pixels, y[rows] = _read_python(path, labels, each, what)
            x[rows] = pixels.reshape(each, 3, SIDE, SIDE)
        folder = paths[0].parent
        return Split((x,), y, (f"{folder}, {what} images",), f"{folder}, {what} labels")

    train = split(located.train, located.known.train, "training")
    test = split(located.test, located.known.test, "test")
    return Raw(train, test, located.names)


def _read_binary(path: Path, labels: Labels, label_bytes: int, images: int) -> tuple[Bytes, Bytes]:
    """Pixels (images, 3072) and labels (images,) of one file."""
    record = label_bytes + PIXELS
    expected = images * record
    try:
        with path.open("rb") as file:
            content = file.read(expected + 1)
    except OSError as error:
        raise damaged(f"{path} cannot be read: {error.strerror}") from error
    if len(content) < expected:
        whole, rest = divmod(len(content), record)
        where = f"inside image {whole}" if rest else f"after {whole} images"
        raise damaged(f"{path} ends at byte {len(content)}, {where}; it must have {expected} bytes")
    if len(content) > expected:
        raise damaged(f"{path} goes on at byte {expected}, after {images} images")
    records = np.frombuffer(content, np.uint8).reshape(images, record)
    y = records[:, labels.column]
    if y.max() >= labels.classes:
        image = int((y >= labels.classes).argmax())
        raise _mislabelled(path, y[image], f"byte {image * record + labels.column}", labels)
    return records[:, label_bytes:], y


def _read_python(path: Path, labels: Labels, images: int, what: str) -> tuple[Bytes, Bytes]:
    """Pixels (images, 3072) and labels (images,) of one pickled dictionary."""
    batch = read_pickle(path)
    _check_own_name(path, batch, what)
    y = label_list(path, batch, labels.key, images)
    bad = np.flatnonzero((y < 0) | (y >= labels.classes))
    if len(bad):
        raise _mislabelled(path, y[bad[0]], f"index {bad[0]} of {labels.key!r}", labels)
    return pixel_rows(path, batch, images), y.astype(np.uint8)


def pixel_rows(path: Path, batch: dict[str, Any], images: int | None = None) -> Bytes:
    """``data`` of a pickled batch, (n, 3072); n must be ``images`` if that is given."""
    data = batch.get("data")
    wanted = f"an array `data` of {'n' if images is None else images} x {PIXELS} unsigned bytes"
    if not isinstance(data, np.ndarray):
        raise damaged(f"{path} has no array `data`; it has: {brief_list(batch)}")
    rows = len(data) if images is None and data.ndim else images
    if data.dtype != np.uint8 or data.shape != (rows, PIXELS):
        raise damaged(
            f"{path}: `data` has shape {list(data.shape)} and type {data.dtype}, not {wanted}"
        )
    return data


def label_list(path: Path, batch: dict[str, Any], key: str, images: int) -> NDArray[np.int64]:
    """A list or an array of ``images`` integers."""
    found = batch.get(key)
    if isinstance(found, np.ndarray) and found.dtype.kind in "iu" and found.ndim == 1:
        numbers: NDArray[np.int64] = found.astype(np.int64)
    elif isinstance(found, list) and all(type(label) is int for label in found):
        numbers = np.array(found, np.int64)
    else:
        raise damaged(f"{path} has no list of numbers {key!r}; it has: {brief_list(batch)}")
    if len(numbers) != images:
        raise damaged(f"{path} has {len(numbers)} entries in {key!r} for {images} images")
    return numbers


def _check_own_name(path: Path, batch: dict[str, Any], what: str) -> None:
    """Check the label stored in a batch, to detect a test batch under a training name."""
    says = batch.get("batch_label")
    text = says.decode("latin-1") if isinstance(says, bytes) else says
    wanted = "testing" if what == "test" else "training"
    if isinstance(text, str) and not text.startswith(wanted):
        raise InputError(
            f"{path} states that it is {text[:40]!r}, not a {wanted} batch",
            help="files were renamed or swapped: restore their names, or fetch them again",
        )


def _mislabelled(path: Path, label: Any, where: str, labels: Labels) -> InputError:
    return damaged(
        f"{path} holds the label {label} at {where}; labels are 0 to {labels.classes - 1}"
    )
