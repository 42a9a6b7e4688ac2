"""``data = cifar100``."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.data._parameters import CIFAR, TORONTO, WIDENED, settings
from ffebm_dsl.language.registry import Arguments, DataConstruct, Kind, Parameter
from ffebm_dsl.language.registry.data_constructs import DataFiles, Download, Form, Layout

if TYPE_CHECKING:
    from ffebm_dsl.running.datasets.raw import Raw

_FOLDER = "cifar-100-binary"

_FILES = DataFiles(
    name="cifar100",
    title="CIFAR-100",
    train=50_000,
    test=10_000,
    shape=(3, 32, 32),
    classes=100,
    layouts=(
        Layout(
            Form.BINARY,
            (_FOLDER, f"cifar100/{_FOLDER}", "cifar100", "."),
            ("train.bin",),
            ("test.bin",),
        ),
        Layout(
            Form.PICKLE,
            ("cifar-100-python", "cifar100/cifar-100-python", "cifar100", "."),
            ("train",),
            ("test",),
            MappingProxyType(
                {
                    "train": "16019d7e3df5f24257cddd939b257f8d",
                    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
                }
            ),
        ),
    ),
    downloads=(
        Download(
            "cifar-100-binary.tar.gz",
            (f"{TORONTO}/cifar-100-binary.tar.gz",),
            168_513_733,
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            MappingProxyType(
                {
                    f"{_FOLDER}/train.bin": 50_000 * 3074,
                    f"{_FOLDER}/test.bin": 10_000 * 3074,
                }
            ),
        ),
    ),
    origin="https://www.cs.toronto.edu/~kriz/cifar.html",
    balanced=True,
)


def _read(arguments: Arguments, data_dir: Path | None, files: DataFiles) -> Raw:
    from ffebm_dsl.running.datasets.cifar import read_cifar100

    return read_cifar100(files, data_dir, arguments["labels"])


CONSTRUCT = DataConstruct(
    "cifar100",
    "CIFAR-100, binary or python version",
    (
        *settings(*CIFAR, batch=256),
        Parameter(
            "labels",
            Kind.CHOICE,
            "the 100 classes, or their 20 superclasses",
            "fine",
            choices=("fine", "coarse"),
        ),
    ),
    source="Krizhevsky 2009 (technical report, University of Toronto)",
    deviations=(f"{WIDENED}3 times that of CIFAR-10",),
    read=_read,
    files=_FILES,
    coarse_classes=20,
)
