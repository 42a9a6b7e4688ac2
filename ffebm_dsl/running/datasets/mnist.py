"""MNIST and Fashion-MNIST: four IDX files, plain or gzip."""

from __future__ import annotations

from pathlib import Path

from ffebm_dsl.language.registry.data_files import DataFiles
from ffebm_dsl.running.datasets.idx import read_idx
from ffebm_dsl.running.datasets.places import locate
from ffebm_dsl.running.datasets.raw import Raw, Split, damaged

IMAGE_DIMENSIONS, LABEL_DIMENSIONS = 3, 1


def read_mnist(known: DataFiles, data_dir: Path | None) -> Raw:
    """Images (n, rows, columns) and labels (n,) of both sets, as the headers declare them.

    Raises:
        InputError: missing or damaged files; a label that is no class, with its byte.
    """
    located = locate(known, data_dir)
    train = _split(located.train, known.classes)
    test = _split(located.test, known.classes)
    return Raw(train, test, located.names)


def _split(paths: list[Path], classes: int) -> Split:
    images, labels = paths
    y = read_idx(labels, LABEL_DIMENSIONS)
    if len(y) and y.max() >= classes:
        place = int((y >= classes).argmax())
        raise damaged(
            f"{labels} holds the label {y[place]} at byte {place + 8} of its unpacked content; "
            f"labels are 0 to {classes - 1}"
        )
    return Split(read_idx(images, IMAGE_DIMENSIONS), y, str(images), str(labels))
