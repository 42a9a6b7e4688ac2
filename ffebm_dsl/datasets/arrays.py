"""Data sets of arrays: bundled with scikit-learn, or of a file that the spec names."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.datasets.npz import names, open_npz, read
from ffebm_dsl.datasets.raw import Raw, Split, damaged
from ffebm_dsl.diagnostics import InputError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")

DIGITS_TEST_EVERY = 5

UNSUSPECTED, MAX_RATIO = 1 << 28, 200
"""An HDF5 dataset beyond so many bytes may not be so many times what the file stores of it."""


def digits() -> Raw:
    """The 1,797 digits of 8 x 8 pixels bundled with scikit-learn.

    Every fifth sample of each class, in the bundled order, is in the test set (1,442
    training and 355 test samples): a stratified split that no seed moves.
    """
    from sklearn.datasets import load_digits

    bundled = load_digits()
    images, labels = bundled.images.astype(np.uint8)[:, None], bundled.target.astype(np.uint8)
    test = np.zeros(len(labels), bool)
    for label in range(10):
        test[np.flatnonzero(labels == label)[DIGITS_TEST_EVERY - 1 :: DIGITS_TEST_EVERY]] = True
    return Raw(
        Split(images[~test], labels[~test], "digits, training images", "digits, training labels"),
        Split(images[test], labels[test], "digits, test images", "digits, test labels"),
        (),
        integer_maximum=16.0,
    )


def npz(path: str, data_dir: Path | None) -> Raw:
    """Arrays x_train, y_train, x_test, y_test of a NumPy archive; no pickled objects."""
    found = _file(path, data_dir, "npz")
    with open_npz(found) as archive:
        present = names(archive)
        for name in ARRAYS:
            if name not in present:
                raise _missing(name, found, present)
        arrays = [read(archive, name, found) for name in ARRAYS]
    return _named(arrays, found)


def hdf5(path: str, data_dir: Path | None) -> Raw:
    """Datasets x_train, y_train, x_test, y_test of an HDF5 file; no links to other files."""
    found = _file(path, data_dir, "hdf5")
    try:
        with h5py.File(found, "r") as file:
            arrays = [_dataset(file, name, found) for name in ARRAYS]
    except (OSError, RuntimeError, ValueError, TypeError, MemoryError) as error:
        raise InputError(
            f"{found} cannot be read as HDF5: {error}",
            help="write x_train, y_train, x_test and y_test with h5py, as arrays of numbers",
        ) from error
    return _named(arrays, found)


def _named(arrays: list[NDArray[Any]], path: Path) -> Raw:
    names = [f"{name} of {path}" for name in ARRAYS]
    return Raw(
        Split(arrays[0], arrays[1], names[0], names[1]),
        Split(arrays[2], arrays[3], names[2], names[3]),
        (path.name,),
    )


def _dataset(file: h5py.File, name: str, path: Path) -> NDArray[Any]:
    link = file.get(name, getlink=True)
    if link is None:
        raise _missing(name, path, list(file))
    dataset = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        raise InputError(
            f"{name} of {path} is not a dataset held in the file itself",
            help="write the values into the file; links and external storage are refused",
        )
    if not dataset.ndim or dataset.dtype.kind not in "iuf":
        raise InputError(
            f"{name} of {path} has shape {list(dataset.shape)} and type {dataset.dtype}",
            help="give an array of numbers with one row per sample",
        )
    if dataset.nbytes > UNSUSPECTED and dataset.nbytes > MAX_RATIO * dataset.id.get_storage_size():
        raise damaged(
            f"{name} of {path} declares {dataset.nbytes} bytes, and the file stores "
            f"{dataset.id.get_storage_size()} of them"
        )
    values: NDArray[Any] = dataset[()]
    return values


def _missing(name: str, path: Path, present: list[str]) -> InputError:
    return InputError(
        f"{path} has no array `{name}`; it has: {', '.join(present) or 'none'}",
        help="it must have " + ", ".join(ARRAYS),
    )


def _file(path: str, data_dir: Path | None, source: str) -> Path:
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts:
        raise InputError(
            f"{source}({path!r}) leaves the data directory",
            help="give a path relative to --data-dir, without `..`",
        )
    if data_dir is None:
        raise InputError(
            f"data set {source}({path!r}) needs a data directory",
            help="give --data-dir DIR; the path is taken relative to DIR",
        )
    found = data_dir / relative
    if not found.is_file():
        raise InputError(f"there is no file {found}", help="check --data-dir and the spec's path")
    return found
