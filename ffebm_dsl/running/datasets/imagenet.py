"""ImageNet at 32 x 32 pixels (Chrabaszcz et al.): batches of arrays, npz or pickled.

``data`` (n, 3072) is unsigned bytes and ``labels`` are 1 to 1000, in ten training batches and one
batch of validation images, which is the test set here. 1.28 million images are 3.9 GB: batches
are copied once, one at a time, into a cache of memory-mapped files, from which training reads the
samples of each step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.registry.data_constructs import DataFiles, Form
from ffebm_dsl.running.datasets.cache import Cached, Writer, open_or_make, places, sources_of
from ffebm_dsl.running.datasets.cifar import SIDE, label_list, pixel_rows
from ffebm_dsl.running.datasets.file_progress import bar
from ffebm_dsl.running.datasets.npz_archive import read_npz
from ffebm_dsl.running.datasets.pickles import read_pickle
from ffebm_dsl.running.datasets.places import Located, locate
from ffebm_dsl.running.datasets.raw import Raw, Split, damaged

KINDS = {
    "x_train": ("|u1", (3, SIDE, SIDE)),
    "y_train": ("<i2", ()),
    "x_test": ("|u1", (3, SIDE, SIDE)),
    "y_test": ("<i2", ()),
}


def read_imagenet32(known: DataFiles, data_dir: Path | None) -> Raw:
    """Memory-mapped images (n, 3, 32, 32), and labels 0 to 999.

    Raises:
        InputError: missing or damaged files, or a label out of range.
        StorageError: the cache cannot be written.
    """
    located = locate(known, data_dir)
    assert data_dir is not None
    folders = places(data_dir, known.name)
    sources = sources_of([*located.train, *located.test])
    cached = open_or_make(folders, sources, KINDS, lambda writer: _copy(located, writer))
    return Raw(
        _split(cached, known.title, "train"),
        _split(cached, known.title, "test"),
        located.names,
        sha256=cached.sha256,
    )


class Counter:
    """A stand-in for the writer of a cache that counts labels and does not keep images."""

    def __init__(self, classes: int) -> None:
        self.counts = {which: np.zeros(classes, np.int64) for which in ("train", "test")}

    def append(self, name: str, rows: NDArray[Any]) -> None:
        if name.startswith("y_"):
            counts = self.counts[name.removeprefix("y_")]
            counts += np.bincount(rows, minlength=len(counts))


def count_imagenet32(located: Located) -> dict[str, NDArray[np.int64]]:
    """The number of samples of each class in both sets; reads all files and makes no cache.

    Raises:
        InputError: as :func:`read_imagenet32`.
    """
    counter = Counter(located.known.classes)
    _copy(located, counter)
    return counter.counts


def _split(cached: Cached, title: str, which: str) -> Split:
    x, y = (cached.arrays[f"{kind}_{which}"] for kind in "xy")
    return Split((x,), y, (f"{title}, {which} images",), f"{title}, {which} labels")


def _copy(located: Located, writer: Writer | Counter) -> None:
    """Copy all batches to the cache, in order."""
    known = located.known
    with bar(known.name, known.train + known.test, " images") as progress:
        for which, paths in (("train", located.train), ("test", located.test)):
            for path in paths:
                zipped = located.layout.form is Form.NPZ
                batch = read_npz(path, ("data", "labels")) if zipped else read_pickle(path)
                rows = pixel_rows(path, batch)
                labels = label_list(path, batch, "labels", len(rows))
                writer.append(f"y_{which}", _from_zero(path, labels, known.classes))
                writer.append(f"x_{which}", rows)
                progress.update(len(rows))


def _from_zero(path: Path, labels: NDArray[Any], classes: int) -> NDArray[Any]:
    """Labels 1 to ``classes`` of the files as 0 to ``classes - 1``."""
    bad = np.flatnonzero((labels < 1) | (labels > classes))
    if len(bad):
        raise damaged(
            f"{path} holds the label {labels[bad[0]]} at index {bad[0]} of `labels`; "
            f"labels are 1 to {classes}"
        )
    return labels - 1
