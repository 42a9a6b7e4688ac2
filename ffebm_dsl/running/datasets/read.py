"""The reader of each data set that a spec can name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffebm_dsl.running.datasets import arrays
from ffebm_dsl.running.datasets.catalogue import CATALOGUE, DataFiles
from ffebm_dsl.running.datasets.cifar import read_cifar10, read_cifar100
from ffebm_dsl.running.datasets.imagenet import read_imagenet32
from ffebm_dsl.running.datasets.mnist import read_mnist
from ffebm_dsl.running.datasets.raw import Raw


def read_data(name: str, arguments: Mapping[str, Any], data_dir: Path | None) -> Raw:
    """The data set ``name`` of the registry, with the arguments that the spec gives it.

    Raises:
        InputError: missing or damaged files; the message says which, where and what to do.
    """
    if name in CATALOGUE:
        return read_files(CATALOGUE[name], arguments, data_dir)
    match name:
        case "digits":
            return arrays.digits()
        case "npz":
            return arrays.npz(str(arguments["path"]), data_dir)
        case "hdf5":
            return arrays.hdf5(str(arguments["path"]), data_dir)
    raise KeyError(f"the registry offers a data set {name!r} that has no reader")


def read_files(known: DataFiles, arguments: Mapping[str, Any], data_dir: Path | None) -> Raw:
    """The same, of a data set that comes as files of its own."""
    match known.name:
        case "mnist" | "fashion_mnist":
            return read_mnist(known, data_dir)
        case "cifar10":
            return read_cifar10(data_dir, known)
        case "cifar100":
            return read_cifar100(data_dir, str(arguments["labels"]), known)
        case "imagenet32":
            return read_imagenet32(data_dir, known)
    raise KeyError(f"the catalogue offers a data set {known.name!r} that has no reader")
