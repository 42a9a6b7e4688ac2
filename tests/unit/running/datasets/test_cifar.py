"""CIFAR-10 and CIFAR-100: both versions, both kinds of labels, and the place of any damage."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.datasets.cifar import read_cifar10, read_cifar100
from ffebm_dsl.running.datasets.places import CATALOGUE
from ffebm_dsl.running.datasets.raw import Raw, fingerprint

from .sets import (
    SMALL_CIFAR10,
    SMALL_CIFAR100,
    labels,
    pixels,
    write_cifar10_binary,
    write_cifar10_python,
    write_cifar100_binary,
    write_cifar100_python,
    write_python_batch,
)


def ten(folder: Path) -> Raw:
    return read_cifar10(SMALL_CIFAR10, folder)


def sha256(raw: Raw) -> str:
    return fingerprint([raw.train.inputs[0], raw.train.y, raw.test.inputs[0], raw.test.y])


def test_images_are_planes_of_rows(tmp_path: Path) -> None:
    write_cifar10_binary(tmp_path / "cifar-10-batches-bin")
    raw = ten(tmp_path)
    assert raw.train.inputs[0].shape == (10, 3, 32, 32) and raw.test.inputs[0].shape == (
        4,
        3,
        32,
        32,
    )
    second = pixels(2, seed=1)[1]
    assert raw.train.inputs[0][3, 1, 2, 5] == second[1024 + 2 * 32 + 5]
    assert raw.train.y.tolist() == np.concatenate([labels(2, 10, s) for s in range(5)]).tolist()
    assert raw.test.y.tolist() == labels(4, 10, 5).tolist()
    assert raw.files == CATALOGUE["cifar10"].layouts[0].files


@pytest.mark.parametrize("protocol", range(1, 6))
def test_the_python_version_holds_the_same_data(tmp_path: Path, protocol: int) -> None:
    write_cifar10_binary(tmp_path / "a" / "cifar-10-batches-bin")
    write_cifar10_python(tmp_path / "b" / "cifar-10-batches-py", protocol=protocol)
    assert sha256(ten(tmp_path / "a")) == sha256(ten(tmp_path / "b"))


@pytest.mark.parametrize(
    ("write", "below"),
    [
        (write_cifar10_binary, "cifar-10-batches-bin"),
        (write_cifar10_binary, "cifar10/cifar-10-batches-bin"),
        (write_cifar10_binary, "cifar10"),
        (write_cifar10_binary, "."),
        (write_cifar10_python, "cifar-10-batches-py"),
        (write_cifar10_python, "cifar10/cifar-10-batches-py"),
        (write_cifar10_python, "."),
    ],
)
def test_found_in_the_usual_places(
    tmp_path: Path, write: Callable[[Path], None], below: str
) -> None:
    write(tmp_path / below)
    assert len(ten(tmp_path).train.inputs[0]) == 10


@pytest.mark.parametrize("write", [write_cifar100_binary, write_cifar100_python])
def test_cifar100_has_fine_and_coarse_labels(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "cifar100")
    fine, coarse = (read_cifar100(SMALL_CIFAR100, tmp_path, which) for which in ("fine", "coarse"))
    assert fine.train.y.tolist() == labels(12, 100).tolist()
    assert coarse.train.y.tolist() == labels(12, 20).tolist()
    assert fine.train.inputs[0][7].reshape(-1).tolist() == pixels(12)[7].tolist()
    assert sha256(fine) != sha256(coarse)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: b[:-1], "ends at byte 6145, inside image 1; it must have 6146 bytes"),
        (lambda b: b[:3073], "ends at byte 3073, after 1 images; it must have 6146 bytes"),
        (lambda b: b"", "ends at byte 0, after 0 images"),
        (lambda b: b + b"\x00", "goes on at byte 6146, after 2 images"),
        (lambda b: b[:3073] + b"\x0a" + b[3074:], "holds the label 10 at byte 3073; .* 0 to 9"),
        (lambda b: b"\xff" + b[1:], "holds the label 255 at byte 0"),
    ],
)
@pytest.mark.parametrize("name", ["data_batch_1.bin", "data_batch_4.bin"])
def test_damaged_binary_files(
    tmp_path: Path, damage: Callable[[bytes], bytes], message: str, name: str
) -> None:
    write_cifar10_binary(tmp_path)
    path = tmp_path / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=f"{re.escape(str(path))} {message}") as caught:
        ten(tmp_path)
    assert "fetch the file again" in caught.value.help


def test_a_label_of_cifar100_has_its_byte(tmp_path: Path) -> None:
    write_cifar100_binary(tmp_path)
    content = bytearray((tmp_path / "test.bin").read_bytes())
    content[2 * 3074 + 1], content[3 * 3074] = 100, 20
    (tmp_path / "test.bin").write_bytes(content)
    with pytest.raises(InputError, match="label 100 at byte 6149; labels are 0 to 99"):
        read_cifar100(SMALL_CIFAR100, tmp_path, "fine")
    with pytest.raises(InputError, match="label 20 at byte 9222; labels are 0 to 19"):
        read_cifar100(SMALL_CIFAR100, tmp_path, "coarse")


def batch(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "batch_label": "training batch 3 of 5",
        "labels": [1, 2],
        "data": pixels(2),
    }
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": None}, "has no array `data`; it has: batch_label, labels"),
        ({"data": [1, 2]}, "has no array `data`"),
        ({"data": pixels(2)[:1]}, r"`data` has shape \[1, 3072\] and type uint8, not .* 2 x 3072"),
        ({"data": pixels(2)[:, 1:]}, r"`data` has shape \[2, 3071\]"),
        ({"data": pixels(2).astype(float)}, "type float64"),
        ({"labels": None}, "has no list of numbers 'labels'; it has: batch_label, data"),
        ({"labels": ["a", "b"]}, "has no list of numbers 'labels'"),
        ({"labels": [True, False]}, "has no list of numbers 'labels'"),
        ({"labels": [1]}, "has 1 entries in 'labels' for 2 images"),
        ({"labels": [1, 10]}, "holds the label 10 at index 1 of 'labels'; labels are 0 to 9"),
        ({"labels": np.array([-1, 1])}, "holds the label -1 at index 0"),
        ({"batch_label": "testing batch 1 of 1"}, "states that it is 'testing batch 1"),
    ],
)
def test_unfit_python_batches(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write_cifar10_python(tmp_path)
    path = tmp_path / "data_batch_3"
    path.write_bytes(pickle.dumps(batch(**changes), 4))
    with pytest.raises(InputError, match=message) as caught:
        ten(tmp_path)
    assert str(path) in caught.value.message and caught.value.help


def test_a_training_batch_under_the_name_of_the_test_batch(tmp_path: Path) -> None:
    write_cifar10_python(tmp_path, test=2)
    (tmp_path / "data_batch_1").rename(tmp_path / "test_batch")
    write_python_batch(
        tmp_path / "data_batch_1", "training batch 1 of 5", {"labels": labels(2, 10)}, pixels(2), 2
    )
    with pytest.raises(InputError, match="not a testing batch") as caught:
        read_cifar10(replace(CATALOGUE["cifar10"], train=10, test=2), tmp_path)
    assert "swapped" in caught.value.help


@pytest.mark.parametrize("cut", [0, 1, 100, 5000, -1])
def test_truncated_python_batches(tmp_path: Path, cut: int) -> None:
    write_cifar10_python(tmp_path)
    path = tmp_path / "test_batch"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match="test_batch cannot be read as a pickle of data"):
        ten(tmp_path)


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_cifar10_binary, "data_batch_2.bin"), (write_cifar10_python, "test_batch")],
)
def test_a_missing_file_is_named(tmp_path: Path, write: Callable[[Path], None], name: str) -> None:
    write(tmp_path / "cifar10")
    (tmp_path / "cifar10" / name).unlink()
    with pytest.raises(InputError, match=f"CIFAR-10 file {name} is not there; looked in") as caught:
        ten(tmp_path)
    assert "ffebm data fetch cifar10" in caught.value.help


def test_without_any_file_both_versions_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data_batch_1\.bin is not there") as caught:
        ten(tmp_path)
    assert f"{tmp_path}/cifar-10-batches-bin" in caught.value.help
    assert f"{tmp_path}/cifar-10-batches-py" in caught.value.help


def test_without_a_data_directory() -> None:
    with pytest.raises(InputError, match="cifar100 needs a data directory"):
        read_cifar100(CATALOGUE["cifar100"], None)
