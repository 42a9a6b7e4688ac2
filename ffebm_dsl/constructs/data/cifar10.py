"""``data = cifar10``."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.data._parameters import CIFAR, TORONTO, WIDENED, settings
from ffebm_dsl.language.registry import Arguments, DataConstruct
from ffebm_dsl.language.registry.data_constructs import DataFiles, Download, Form, Layout

if TYPE_CHECKING:
    from ffebm_dsl.running.datasets.raw import Raw

_FOLDER = "cifar-10-batches-bin"
_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))

_FILES = DataFiles(
    name="cifar10",
    title="CIFAR-10",
    train=50_000,
    test=10_000,
    shape=(3, 32, 32),
    classes=10,
    layouts=(
        Layout(
            Form.BINARY,
            (_FOLDER, f"cifar10/{_FOLDER}", "cifar10", "."),
            _TRAIN,
            ("test_batch.bin",),
        ),
        Layout(
            Form.PICKLE,
            ("cifar-10-batches-py", "cifar10/cifar-10-batches-py", "cifar10", "."),
            tuple(name.removesuffix(".bin") for name in _TRAIN),
            ("test_batch",),
            MappingProxyType(
                {
                    "data_batch_1": "c99cafc152244af753f735de768cd75f",
                    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
                    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
                    "data_batch_4": "634d18415352ddfa80567beed471001a",
                    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
                    "test_batch": "40351d587109b95175f43aff81a1287e",
                }
            ),
        ),
    ),
    downloads=(
        Download(
            "cifar-10-binary.tar.gz",
            (f"{TORONTO}/cifar-10-binary.tar.gz",),
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            MappingProxyType(
                {f"{_FOLDER}/{name}": 10_000 * 3073 for name in (*_TRAIN, "test_batch.bin")}
            ),
        ),
    ),
    origin="https://www.cs.toronto.edu/~kriz/cifar.html",
    balanced=True,
)


def _read(arguments: Arguments, data_dir: Path | None, files: DataFiles) -> Raw:
    from ffebm_dsl.running.datasets.cifar import read_cifar10

    return read_cifar10(files, data_dir)


CONSTRUCT = DataConstruct(
    "cifar10",
    "CIFAR-10, binary or python version",
    settings(*CIFAR, batch=128),
    source="Krizhevsky 2009 (technical report, University of Toronto)",
    deviations=(f"{WIDENED}3 times",),
    read=_read,
    files=_FILES,
)
