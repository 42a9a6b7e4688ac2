"""``data = imagenet32``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ffebm_dsl.constructs.data._parameters import IMAGENET, WIDENED, settings
from ffebm_dsl.language.registry import Arguments, DataConstruct
from ffebm_dsl.language.registry.data_constructs import DataFiles, Form, Layout

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

    from ffebm_dsl.running.datasets.raw import Raw


def _folders(suffix: str) -> tuple[str, ...]:
    """The folders that the archives of the training and validation batches unpack to."""
    own = (f"Imagenet32_train{suffix}", f"Imagenet32_val{suffix}")
    return ("imagenet32", *(f"imagenet32/{name}" for name in own), *own, ".")


_BATCHES = tuple(f"train_data_batch_{number}" for number in range(1, 11))

_FILES = DataFiles(
    name="imagenet32",
    title="ImageNet32",
    train=1_281_167,
    test=50_000,
    shape=(3, 32, 32),
    classes=1000,
    layouts=(
        Layout(
            Form.NPZ,
            _folders("_npz"),
            tuple(f"{name}.npz" for name in _BATCHES),
            ("val_data.npz",),
        ),
        Layout(
            Form.PICKLE,
            _folders(""),
            _BATCHES,
            ("val_data",),
        ),
    ),
    downloads=(),
    origin="https://image-net.org/download-images.php",
)


def _read(arguments: Arguments, data_dir: Path | None, files: DataFiles) -> Raw:
    from ffebm_dsl.running.datasets.imagenet import read_imagenet32

    return read_imagenet32(files, data_dir)


def _count_labels(data_dir: Path, files: DataFiles) -> Mapping[str, NDArray[int64]]:
    """Without the copy that reading makes of a set this large."""
    from ffebm_dsl.running.datasets.imagenet import count_imagenet32
    from ffebm_dsl.running.datasets.places import locate

    return count_imagenet32(locate(files, data_dir))


CONSTRUCT = DataConstruct(
    "imagenet32",
    "ImageNet of 32 x 32 pixels, npz or pickled batches",
    settings(*IMAGENET, batch=256),
    source="Chrabaszcz, Loshchilov and Hutter 2017, arXiv 1707.08819",
    deviations=(f"{WIDENED}1.5 times",),
    read=_read,
    files=_FILES,
    count_labels=_count_labels,
)
