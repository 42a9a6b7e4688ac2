"""Files of a data set: names, places, sizes, checksums. Plain data.

Checksums of archives are those that their authors publish (MD5, on the pages of CIFAR and of
Fashion-MNIST) or that are in wide use for the same files (SHA-256). They were not taken from
a download of ours. Files whose checksum we are not sure of have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


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
