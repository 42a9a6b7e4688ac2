"""Verification of the files of a data set: contents, counts and checksums."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from ffebm_dsl.language.diagnostics import AnyPath
from ffebm_dsl.language.registry import DATA
from ffebm_dsl.language.registry.data_constructs import DataFiles, Form
from ffebm_dsl.running.datasets.checksums import digest, read_sums
from ffebm_dsl.running.datasets.places import Located, locate
from ffebm_dsl.running.datasets.raw import Array, check_counts, damaged


class Sum(StrEnum):
    """The result of comparing the checksum of a file."""

    PUBLISHED = "as published"
    FETCHED = "as fetched"
    UNKNOWN = "no checksum is known"
    DIFFERS = "differs"


@dataclass(frozen=True)
class FileReport:
    path: Path
    size: int
    sum: Sum
    found: str = ""
    expected: str = ""


@dataclass(frozen=True)
class Report:
    """Results for a data set whose files are all readable.

    Attributes:
        counts: images of the training set and of the test set.
        problems: one sentence for each difference from the published data set.
    """

    name: str
    form: Form
    files: tuple[FileReport, ...]
    counts: tuple[int, int]
    problems: tuple[str, ...]

    @property
    def compared(self) -> bool:
        """Whether a checksum is known for every file."""
        return all(file.sum is not Sum.UNKNOWN for file in self.files)


def verify(known: DataFiles, data_dir: AnyPath) -> Report:
    """Read all files, compare the known checksums, count images and labels.

    Raises:
        InputError: files are missing or damaged; the message says which, where and how.
    """
    data_dir = Path(data_dir)
    located = locate(known, data_dir)
    counts = _label_counts(known, data_dir)
    files = tuple(_file(located, name) for name in located.layout.files)
    problems = [
        f"{file.path} differs: its checksum is {file.found}, not {file.expected}"
        for file in files
        if file.sum is Sum.DIFFERS
    ]
    problems += _count_problems(known, counts)
    totals = tuple(int(counts[which].sum()) for which in ("train", "test"))
    return Report(known.name, located.layout.form, files, (totals[0], totals[1]), tuple(problems))


def _label_counts(known: DataFiles, data_dir: Path) -> Mapping[str, Array]:
    """The number of samples of each class in both sets; raises an error for unreadable files."""
    construct = DATA[known.name]
    if construct.count_labels is not None:
        return construct.count_labels(data_dir, known)
    assert construct.read is not None
    if construct.coarse_classes:
        construct.read({"labels": "coarse"}, data_dir, known)
    raw = construct.read({"labels": "fine"}, data_dir, known)
    for split in (raw.train, raw.test):
        check_counts(split)
        for x, name in zip(split.inputs, split.names, strict=True):
            if math.prod(x.shape[1:]) != math.prod(known.shape):
                raise damaged(f"{name} has images of {list(x.shape[1:])} pixels")
    return {
        "train": np.bincount(raw.train.y, minlength=known.classes),
        "test": np.bincount(raw.test.y, minlength=known.classes),
    }


def _count_problems(known: DataFiles, counts: Mapping[str, Array]) -> list[str]:
    problems = []
    for which, wanted, what in (
        ("train", known.train, "training"),
        ("test", known.test, "test"),
    ):
        of_class = counts[which]
        if of_class.sum() != wanted:
            problems.append(f"there are {of_class.sum():,} {what} images, not {wanted:,}")
        elif known.balanced and (of_class != wanted // known.classes).any():
            label = int((of_class != wanted // known.classes).argmax())
            problems.append(
                f"{of_class[label]:,} {what} images have the label {label}, "
                f"not {wanted // known.classes:,}: labels were changed"
            )
        elif not of_class.all():
            problems.append(f"no {what} image has the label {int((of_class == 0).argmax())}")
    return problems


def _file(located: Located, name: str) -> FileReport:
    path = located.paths[name]
    size = path.stat().st_size
    known = _expected(located, name, path)
    if known is None:
        return FileReport(path, size, Sum.UNKNOWN)
    expected, unpacked, kind = known
    algorithm = {32: "md5", 64: "sha256"}[len(expected)]
    found = digest(path, algorithm, unpacked=unpacked)
    return FileReport(path, size, kind if found == expected else Sum.DIFFERS, found, expected)


def _expected(located: Located, name: str, path: Path) -> tuple[str, bool, Sum] | None:
    """The best known checksum of a file: that of its unpacked content (the flag is then true), of
    the file as downloaded, or of the file as fetched.
    """
    published = located.layout.checksums.get(name)
    if published:
        return published, path.suffix == ".gz", Sum.PUBLISHED
    whole = {item.name: item.sha256 for item in located.known.downloads}.get(path.name)
    if whole:
        return whole, False, Sum.PUBLISHED
    fetched = read_sums(path.parent).get(path.name)
    return (fetched, False, Sum.FETCHED) if fetched else None
