"""Shared code of the data sets bundled with scikit-learn: reading of files, and the test split.

The installed files are read directly: importing scikit-learn takes a second, and nothing else of
it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import distribution
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.datasets.raw import Raw, Split

_TEST_EVERY = 5


def columns(file: str, *, heading: int = 0) -> NDArray[np.float64]:
    """The numbers of a CSV file, gzipped or not, after ``heading`` lines: (rows, columns).

    Raises:
        InputError: the installed scikit-learn has no such file.
    """
    package = distribution("scikit-learn")
    path = package.locate_file(f"sklearn/datasets/data/{file}")
    try:
        return np.loadtxt(str(path), delimiter=",", skiprows=heading)
    except OSError as fault:
        raise InputError(
            f"the data set {file} of scikit-learn {package.version} cannot be read: {fault}",
            help="install scikit-learn again",
        ) from None


def rows_for_test(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """A mask (n,) of every fifth sample of each class, in the bundled order.

    The split does not depend on a seed.
    """
    test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        test[np.flatnonzero(labels == label)[_TEST_EVERY - 1 :: _TEST_EVERY]] = True
    return test


def split_by(
    test: NDArray[np.bool_],
    name: str,
    inputs: Mapping[str, NDArray[Any]],
    labels: NDArray[np.uint8],
) -> Raw:
    """The data set ``name`` of samples and labels (n, ...); ``test`` (n,) masks the test set.

    ``inputs`` is the word for the samples in messages, such as ``images``.
    """

    def split(which: str, rows: NDArray[np.bool_]) -> Split:
        samples = tuple(x[rows] for x in inputs.values())
        told = tuple(f"{name}, {which} {what}" for what in inputs)
        return Split(samples, labels[rows], told, f"{name}, {which} labels")

    return Raw(split("training", ~test), split("test", test), ())
