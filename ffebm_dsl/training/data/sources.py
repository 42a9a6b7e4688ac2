"""Where data sets come from: bundled with scikit-learn, or files in the data directory."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.diagnostics import InputError
from ffebm_dsl.training.data.arrays import Split
from ffebm_dsl.training.data.idx import read_idx

ARRAYS = ("x_train", "y_train", "x_test", "y_test")

MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

DIGITS_TEST_EVERY = 5

NPZ_FAULTS = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError, TypeError)
"""What NumPy raises for a damaged archive; TypeError for a bare array in place of one."""


@dataclass(frozen=True)
class Raw:
    """A data set as found: its splits, the files it came from, and the largest integer value."""

    train: Split
    test: Split
    files: tuple[str, ...]
    integer_maximum: float = 255.0


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


def mnist(data_dir: Path | None) -> Raw:
    """The four original MNIST files, plain or ``.gz``.

    Looked for in ``data_dir`` itself, in ``mnist/`` and in ``MNIST/raw/`` below it.
    """
    if data_dir is None:
        raise InputError(
            "data set mnist needs a data directory",
            help="give --data-dir DIR, with the four files of MNIST in DIR or in DIR/mnist: "
            + ", ".join(MNIST_FILES),
        )
    places = (data_dir, data_dir / "mnist", data_dir / "MNIST" / "raw")
    paths = [_find(name, places) for name in MNIST_FILES]
    arrays = [read_idx(path, 3 if "images" in path.name else 1) for path in paths]
    names = [str(path) for path in paths]
    return Raw(
        Split(arrays[0], arrays[1], names[0], names[1]),
        Split(arrays[2], arrays[3], names[2], names[3]),
        tuple(path.name for path in paths),
    )


def npz(path: str, data_dir: Path | None) -> Raw:
    """Arrays x_train, y_train, x_test, y_test of a NumPy archive; no pickled objects."""
    found = _file(path, data_dir, "npz")
    try:
        with found.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = [_member(archive, name, found) for name in ARRAYS]
    except NPZ_FAULTS as error:
        raise InputError(
            f"{found} cannot be read as an npz archive: {error}",
            help="write it with numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)"
            ", from arrays of numbers",
        ) from error
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


def _member(archive: np.lib.npyio.NpzFile, name: str, path: Path) -> NDArray[Any]:
    if name not in archive.files:
        raise _missing(name, path, archive.files)
    array = archive[name]
    if not array.ndim:
        raise InputError(f"{name} of {path} is a single number", help="give one row per sample")
    return array


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


def _find(name: str, places: tuple[Path, ...]) -> Path:
    for place in places:
        for candidate in (place / name, place / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    looked = ", ".join(str(place) for place in places)
    raise InputError(
        f"MNIST file {name} (or {name}.gz) is not there; looked in {looked}",
        help="put the four original files into one of these folders: " + ", ".join(MNIST_FILES),
    )
