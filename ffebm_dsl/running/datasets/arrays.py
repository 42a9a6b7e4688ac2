"""Data sets that are arrays of one file, which the spec names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.datasets.raw import Raw, Split

TRAIN, TEST = ("x_train", "y_train"), ("x_test", "y_test")

Reader = Callable[[Path, Sequence[str], Sequence[str]], Mapping[str, NDArray[Any]]]
"""Gives the arrays of a file by their names, and others if it has any of these."""


def read_arrays(source: str, read: Reader, path: str, data_dir: Path | None) -> Raw:
    """The data set ``source(path)``: arrays x_train, y_train and, for a test set, x_test, y_test.

    Raises:
        InputError: no data directory, a path that leaves it, no such file, or from ``read``.
    """
    found = _file(path, data_dir, source)
    arrays = read(found, TRAIN, TEST)
    train, test = (
        Split(arrays[x], arrays[y], f"{x} of {found}", f"{y} of {found}") if x in arrays else None
        for x, y in (TRAIN, TEST)
    )
    assert train is not None
    return Raw(train, test, (found.name,))


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
