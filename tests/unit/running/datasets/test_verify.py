"""Verifying: checksums, counts and labels; damage is an error with its place."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.registry.data_constructs import DataFiles, Form
from ffebm_dsl.running.datasets.checksums import SUMS, read_sums, write_sums
from ffebm_dsl.running.datasets.integrity import Sum, verify
from ffebm_dsl.running.datasets.places import CATALOGUE

from .sets import (
    SMALL_CIFAR100,
    layout,
    pixels,
    write_cifar10_python,
    write_cifar100_binary,
    write_idx,
    write_imagenet,
)


def with_sums(known: DataFiles, form: Form, sums: Mapping[str, str]) -> DataFiles:
    return replace(known, layouts=(replace(layout(known, form), checksums=sums),))


def md5s(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def balanced_cifar10(folder: Path) -> DataFiles:
    """20 training and 10 test images, two and one of every class."""
    folder.mkdir(parents=True)
    for number, name in enumerate(layout(CATALOGUE["cifar10"], Form.BINARY).files):
        images = 10 if name == "test_batch.bin" else 4
        y = (np.arange(images) + 4 * number) % 10 if images == 4 else np.arange(10)
        records = np.concatenate([y[:, None].astype(np.uint8), pixels(images, number)], axis=1)
        (folder / name).write_bytes(records.tobytes())
    return replace(CATALOGUE["cifar10"], train=20, test=10)


def test_labels_and_counts_as_published(tmp_path: Path) -> None:
    known = balanced_cifar10(tmp_path / "cifar10")
    report = verify(known, tmp_path)
    assert (report.name, report.form, report.counts) == ("cifar10", Form.BINARY, (20, 10))
    assert not report.problems and not report.compared
    assert {file.sum for file in report.files} == {Sum.UNKNOWN}
    assert [file.size for file in report.files] == [4 * 3073] * 5 + [10 * 3073]


def test_changed_labels_are_found(tmp_path: Path) -> None:
    known = balanced_cifar10(tmp_path / "cifar10")
    path = tmp_path / "cifar10" / "data_batch_1.bin"
    path.write_bytes(b"\x05" + path.read_bytes()[1:])
    (problem,) = verify(known, tmp_path).problems
    assert problem == "1 training images have the label 0, not 2: labels were changed"


def test_a_class_that_does_not_occur(tmp_path: Path) -> None:
    write_idx(tmp_path, train=30, test=3)
    report = verify(replace(CATALOGUE["mnist"], train=30, test=3), tmp_path)
    assert "no test image has the label 3" in report.problems


def test_other_counts_than_published(tmp_path: Path) -> None:
    write_idx(tmp_path, train=30, test=20)
    report = verify(replace(CATALOGUE["mnist"], train=40, test=20), tmp_path)
    assert "there are 30 training images, not 40" in report.problems


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_published_checksums_are_of_the_unpacked_file(tmp_path: Path, algorithm: str) -> None:
    write_idx(tmp_path / "mnist", zipped=True, train=30, test=20)
    content = {
        path.name.removesuffix(".gz"): gzip.decompress(path.read_bytes())
        for path in (tmp_path / "mnist").iterdir()
    }
    sums = {name: hashlib.new(algorithm, b).hexdigest() for name, b in content.items()}
    known = with_sums(replace(CATALOGUE["mnist"], train=30, test=20), Form.IDX, sums)
    report = verify(known, tmp_path)
    assert {file.sum for file in report.files} == {Sum.PUBLISHED} and not report.problems
    name = known.layouts[0].files[0]
    changed = content[name][:-1] + b"\xff"
    (tmp_path / "mnist" / f"{name}.gz").write_bytes(gzip.compress(changed))
    report = verify(known, tmp_path)
    assert [file.sum for file in report.files] == [Sum.DIFFERS, *[Sum.PUBLISHED] * 3]
    assert hashlib.new(algorithm, changed).hexdigest() in report.problems[0]


def test_the_files_own_checksums(tmp_path: Path) -> None:
    write_cifar10_python(tmp_path / "cifar10")
    small = replace(CATALOGUE["cifar10"], train=10, test=4, balanced=False)
    known = with_sums(small, Form.PICKLE, md5s(tmp_path / "cifar10"))
    assert {file.sum for file in verify(known, tmp_path).files} == {Sum.PUBLISHED}
    published = replace(CATALOGUE["cifar10"], train=10, test=4)
    assert {file.sum for file in verify(published, tmp_path).files} == {Sum.DIFFERS}


def test_what_was_fetched_is_held_against_its_list(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-binary"
    write_cifar100_binary(folder)
    names = ("train.bin", "test.bin")
    write_sums(folder, {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names})
    report = verify(SMALL_CIFAR100, tmp_path)
    assert {file.sum for file in report.files} == {Sum.FETCHED} and report.compared
    content = bytearray((folder / "train.bin").read_bytes())
    content[500] ^= 1
    (folder / "train.bin").write_bytes(content)
    report = verify(SMALL_CIFAR100, tmp_path)
    assert [file.sum for file in report.files] == [Sum.DIFFERS, Sum.FETCHED]
    assert str(folder / "train.bin") in report.problems[0]


def test_imagenet_is_counted_without_a_cache(tmp_path: Path) -> None:
    write_imagenet(tmp_path / "imagenet32")
    report = verify(replace(CATALOGUE["imagenet32"], train=30, test=5), tmp_path)
    assert report.counts == (30, 5)
    assert report.problems and all("has the label" in problem for problem in report.problems)
    assert not (tmp_path / "imagenet32.cache").exists()


def test_damage_is_an_error(tmp_path: Path) -> None:
    known = balanced_cifar10(tmp_path / "cifar10")
    path = tmp_path / "cifar10" / "test_batch.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="ends at byte 30729, inside image 9"):
        verify(known, tmp_path)


def test_images_without_labels(tmp_path: Path) -> None:
    write_idx(tmp_path / "a")
    write_idx(tmp_path / "b", train=6)
    name = CATALOGUE["mnist"].layouts[0].files[1]
    (tmp_path / "b" / name).replace(tmp_path / "a" / name)
    with pytest.raises(InputError, match=r"holds 7 samples, .* 6 targets"):
        verify(CATALOGUE["mnist"], tmp_path / "a")


def test_the_list_of_sums(tmp_path: Path) -> None:
    assert read_sums(tmp_path) == {}
    write_sums(tmp_path, {"b": "0" * 64})
    write_sums(tmp_path, {"a": "1" * 64})
    assert read_sums(tmp_path) == {"a": "1" * 64, "b": "0" * 64}
    (tmp_path / SUMS).write_text(f"{'0' * 64}  ../b\n")
    with pytest.raises(InputError, match="SHA256SUMS, line 1: not a SHA-256 and a name"):
        read_sums(tmp_path)
