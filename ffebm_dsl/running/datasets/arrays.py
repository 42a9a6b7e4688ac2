"""Data sets of arrays: bundled with scikit-learn, or of a file that the spec names."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.diagnostics.brief import brief_list
from ffebm_dsl.running.datasets.npz import names, open_npz, read
from ffebm_dsl.running.datasets.raw import Raw, Split
from ffebm_dsl.running.hdf5 import read_foreign

ARRAYS = ("x_train", "y_train", "x_test", "y_test")

DIGITS_TEST_EVERY = 5


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
    """Datasets x_train, y_train, x_test, y_test of an HDF5 file; nothing from other files."""
    found = _file(path, data_dir, "hdf5")
    arrays = read_foreign(found, ARRAYS)
    return _named([arrays[name] for name in ARRAYS], found)


def _named(arrays: list[NDArray[Any]], path: Path) -> Raw:
    names = [f"{name} of {path}" for name in ARRAYS]
    return Raw(
        Split(arrays[0], arrays[1], names[0], names[1]),
        Split(arrays[2], arrays[3], names[2], names[3]),
        (path.name,),
    )


def _missing(name: str, path: Path, present: list[str]) -> InputError:
    return InputError(
        f"{path} has no array `{name}`; it has: {brief_list(present)}",
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
            help="give --data-dir DIR; the path is taken relative to DIR. Without it, the folder "
            "`data` is used where there is one",
        )
    found = data_dir / relative
    inside = relative.parts[1:] if relative.parts[:1] == (data_dir.absolute().name,) else ()
    if inside and not found.is_file():
        # "data/toy.npz" with --data-dir data: the folder is named twice.
        found = data_dir.joinpath(*inside)
    if not found.is_file():
        raise InputError(
            f"there is no file {found}",
            help=f"the path is taken relative to the data directory, {data_dir}; check --data-dir "
            "and the spec's path",
        )
    return found
