"""The four IDX files that MNIST and its kin come in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ffebm_dsl.language.registry import Arguments
from ffebm_dsl.language.registry.data_constructs import DataFiles, Download

if TYPE_CHECKING:
    from ffebm_dsl.running.datasets.raw import Raw

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def downloads(bases: tuple[str, ...], *files: tuple[int, str]) -> tuple[Download, ...]:
    """The four gzipped files, from their sizes and SHA-256."""
    return tuple(
        Download(f"{name}.gz", tuple(f"{base}/{name}.gz" for base in bases), size, sha256)
        for name, (size, sha256) in zip((*TRAIN, *TEST), files, strict=True)
    )


def read(arguments: Arguments, data_dir: Path | None, files: DataFiles) -> Raw:
    from ffebm_dsl.running.datasets.idx import read_mnist

    return read_mnist(files, data_dir)
