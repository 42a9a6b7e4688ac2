"""Data sets stored as arrays in a single file that the spec names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.datasets.raw import Raw, Split

TARGETS = "y"
"""The name of the targets, before ``_train`` and ``_test``; no input of several may have it."""

Reader = Callable[[Path, Sequence[str], Sequence[str]], Mapping[str, NDArray[Any]]]
"""Returns the arrays of a file by name, and the optional ones if it has any of them."""


def array_names(inputs: Sequence[str]) -> Sequence[str]:
    """Names of the arrays of samples: those of the inputs, or ``x`` for a single input."""
    return inputs if len(inputs) > 1 else ["x"]


def read_arrays(
    source: str, read: Reader, path: str, data_dir: Path | None, inputs: Sequence[str]
) -> Raw:
    """The data set ``source(path)``: arrays x_train, y_train and, for a test set, x_test, y_test.

    With several inputs, the name of each replaces x.

    Raises:
        InputError: no data directory, a path outside it, no such file, or from ``read``.
    """
    found = _file(path, data_dir, source)
    parts = [*array_names(inputs), TARGETS]
    train, test = ([f"{part}_{which}" for part in parts] for which in ("train", "test"))
    arrays = read(found, train, test)

    def split(names: Sequence[str]) -> Split:
        *samples, targets = names
        told = tuple(f"{name} of {found}" for name in samples)
        values = tuple(arrays[name] for name in samples)
        return Split(values, arrays[targets], told, f"{targets} of {found}")

    return Raw(split(train), split(test) if test[0] in arrays else None, (found.name,))


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
    found = place_of(path, data_dir)
    if not found.is_file():
        raise InputError(
            f"there is no file {found}",
            help=f"the path is taken relative to the data directory, {data_dir}; check --data-dir "
            "and the spec's path",
        )
    return found


def place_of(path: str, data_dir: Path) -> Path:
    """Where the file ``path`` of a spec is, or would be, in a data directory."""
    relative = PurePosixPath(path)
    found = data_dir / relative
    inside = relative.parts[1:] if relative.parts[:1] == (data_dir.absolute().name,) else ()
    # "data/toy.npz" with --data-dir data names the folder twice.
    return data_dir.joinpath(*inside) if inside and not found.is_file() else found
