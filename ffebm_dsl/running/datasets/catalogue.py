"""The data sets that come as files of their own: names, places, sizes, checksums. Plain data.

Checksums of archives are those that their authors publish (MD5, on the pages of CIFAR and of
Fashion-MNIST) or that are in wide use for the same files (SHA-256). They were not taken from
a download of ours. Files whose checksum we are not sure of have none here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Form(StrEnum):
    """How the files of a layout hold images and labels."""

    IDX = "IDX"
    BINARY = "binary"
    PICKLE = "python"
    NPZ = "npz"


@dataclass(frozen=True)
class Layout:
    """One form that a data set's files come in.

    Attributes:
        folders: where files are looked for, below the data directory, in this order.
        train: names of the files of the training set, in order. IDX: images, then labels.
        test: the same for the test set.
        checksums: SHA-256 or MD5 by file name, of the unpacked file where it may be ``.gz``.
    """

    form: Form
    folders: tuple[str, ...]
    train: tuple[str, ...]
    test: tuple[str, ...]
    checksums: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        return self.train + self.test

    @property
    def folder(self) -> str:
        """The folder that the files are best put into, below the data directory."""
        return next(name for name in self.folders if name != ".")


@dataclass(frozen=True)
class Download:
    """A file to be fetched.

    Attributes:
        urls: where it is, tried in this order; https only.
        size: of the file, in bytes.
        sha256: of the file.
        members: of an archive, the files to take and their sizes; empty where the file
            itself is what is wanted.
    """

    name: str
    urls: tuple[str, ...]
    size: int
    sha256: str
    members: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DataFiles:
    """A data set and its files.

    Attributes:
        train, test: number of images.
        shape, classes: of one image, and of the labels.
        layouts: what can be read; the first is what ``fetch`` gets.
        downloads: what ``fetch`` gets; empty where the data cannot be had without a login.
        origin: the page of the data set.
        balanced: every class has as many images as every other, in both sets.
    """

    name: str
    title: str
    train: int
    test: int
    shape: tuple[int, ...]
    classes: int
    layouts: tuple[Layout, ...]
    downloads: tuple[Download, ...]
    origin: str
    balanced: bool = False


_IDX_TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
_IDX_TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def _idx(bases: tuple[str, ...], *files: tuple[int, str]) -> tuple[Download, ...]:
    """The four gzipped files, from their sizes and SHA-256."""
    return tuple(
        Download(f"{name}.gz", tuple(f"{base}/{name}.gz" for base in bases), size, sha256)
        for name, (size, sha256) in zip((*_IDX_TRAIN, *_IDX_TEST), files, strict=True)
    )


# Yann LeCun's own page has not served the files for years; these two carry the same bytes.
_MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)
_FASHION = ("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",)
_TORONTO = "https://www.cs.toronto.edu/~kriz"

MNIST = DataFiles(
    name="mnist",
    title="MNIST",
    train=60_000,
    test=10_000,
    shape=(1, 28, 28),
    classes=10,
    layouts=(
        Layout(
            Form.IDX,
            (".", "mnist", "MNIST/raw"),
            _IDX_TRAIN,
            _IDX_TEST,
            MappingProxyType(
                {
                    _IDX_TRAIN[0]: "ba891046e6505d7aadcbbe25680a0738"
                    "ad16aec93bde7f9b65e87a2fc25776db",
                    _IDX_TRAIN[1]: "65a50cbbf4e906d70832878ad85ccda5"
                    "333a97f0f4c3dd2ef09a8a9eef7101c5",
                    _IDX_TEST[0]: "0fa7898d509279e482958e8ce81c8e77"
                    "db3f2f8254e26661ceb7762c4d494ce7",
                    _IDX_TEST[1]: "ff7bcfd416de33731a308c3f266cc351"
                    "222c34898ecbeaf847f06e48f7ec33f2",
                }
            ),
        ),
    ),
    downloads=_idx(
        _MNIST,
        (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    origin="http://yann.lecun.com/exdb/mnist/",
)

FASHION_MNIST = DataFiles(
    name="fashion_mnist",
    title="Fashion-MNIST",
    train=60_000,
    test=10_000,
    shape=(1, 28, 28),
    classes=10,
    # Never the data directory itself: its files have the names of MNIST's.
    layouts=(
        Layout(
            Form.IDX,
            ("fashion_mnist", "fashion-mnist", "FashionMNIST/raw"),
            _IDX_TRAIN,
            _IDX_TEST,
        ),
    ),
    downloads=_idx(
        _FASHION,
        (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
    origin="https://github.com/zalandoresearch/fashion-mnist",
    balanced=True,
)

_TEN, _HUNDRED = "cifar-10-batches-bin", "cifar-100-binary"
_TEN_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))

CIFAR10 = DataFiles(
    name="cifar10",
    title="CIFAR-10",
    train=50_000,
    test=10_000,
    shape=(3, 32, 32),
    classes=10,
    layouts=(
        Layout(
            Form.BINARY,
            (_TEN, f"cifar10/{_TEN}", "cifar10", "."),
            _TEN_TRAIN,
            ("test_batch.bin",),
        ),
        Layout(
            Form.PICKLE,
            ("cifar-10-batches-py", "cifar10/cifar-10-batches-py", "cifar10", "."),
            tuple(name.removesuffix(".bin") for name in _TEN_TRAIN),
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
            (f"{_TORONTO}/cifar-10-binary.tar.gz",),
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            MappingProxyType(
                {f"{_TEN}/{name}": 10_000 * 3073 for name in (*_TEN_TRAIN, "test_batch.bin")}
            ),
        ),
    ),
    origin="https://www.cs.toronto.edu/~kriz/cifar.html",
    balanced=True,
)

CIFAR100 = DataFiles(
    name="cifar100",
    title="CIFAR-100",
    train=50_000,
    test=10_000,
    shape=(3, 32, 32),
    classes=100,
    layouts=(
        Layout(
            Form.BINARY,
            (_HUNDRED, f"cifar100/{_HUNDRED}", "cifar100", "."),
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
            (f"{_TORONTO}/cifar-100-binary.tar.gz",),
            168_513_733,
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            MappingProxyType(
                {
                    f"{_HUNDRED}/train.bin": 50_000 * 3074,
                    f"{_HUNDRED}/test.bin": 10_000 * 3074,
                }
            ),
        ),
    ),
    origin="https://www.cs.toronto.edu/~kriz/cifar.html",
    balanced=True,
)


def _imagenet_folders(suffix: str) -> tuple[str, ...]:
    """The folders that the archives of the training and validation batches unpack to."""
    own = (f"Imagenet32_train{suffix}", f"Imagenet32_val{suffix}")
    return ("imagenet32", *(f"imagenet32/{name}" for name in own), *own, ".")


_BATCHES = tuple(f"train_data_batch_{number}" for number in range(1, 11))

IMAGENET32 = DataFiles(
    name="imagenet32",
    title="ImageNet32",
    train=1_281_167,
    test=50_000,
    shape=(3, 32, 32),
    classes=1000,
    layouts=(
        Layout(
            Form.NPZ,
            _imagenet_folders("_npz"),
            tuple(f"{name}.npz" for name in _BATCHES),
            ("val_data.npz",),
        ),
        Layout(
            Form.PICKLE,
            _imagenet_folders(""),
            _BATCHES,
            ("val_data",),
        ),
    ),
    downloads=(),
    origin="https://image-net.org/download-images.php",
)

CATALOGUE: Mapping[str, DataFiles] = MappingProxyType(
    {known.name: known for known in (MNIST, FASHION_MNIST, CIFAR10, CIFAR100, IMAGENET32)}
)
