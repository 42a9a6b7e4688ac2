"""Data sets, their files, and what training does to samples: constructs of their own kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ffebm_dsl.language.registry.construct import Construct
from ffebm_dsl.language.registry.shapes import Arguments, Shape


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
        checksums: SHA-256 or MD5 by file name, of the unpacked file where it may be ``.gz``. They
            are those that their authors publish (MD5, on the pages of CIFAR and of Fashion-MNIST)
            or that are in wide use for the same files (SHA-256), and were not taken from a
            download of ours. Files whose checksum we are not sure of have none.
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


@dataclass(frozen=True, kw_only=True)
class DataConstruct(Construct):
    """A data set.

    Attributes:
        read: arguments, data directory and ``files`` -> training and test set, as
            :class:`ffebm_dsl.running.datasets.raw.Raw`.
        read_named: the same in its place for data of any number of inputs, of which it is given
            the names and not ``files``.
        files: where it comes as files of its own, which ``ffebm data`` fetches and verifies.
        count_labels: data directory and ``files`` -> how often each class occurs in ``train``
            and ``test``; None where reading is how to count.
        shapes, classes: of a sample of each input and of its labels where they are known
            beforehand, by default those of ``files``; ``()`` and 0 where they depend on the file.
        coarse_classes: the classes with ``labels=coarse``.
        integer_maximum: the largest value of samples that are integers; they are divided by it.
    """

    read: Callable[[Arguments, Path | None, Any], Any] | None = None
    read_named: Callable[[Arguments, Path | None, Sequence[str]], Any] | None = None
    files: DataFiles | None = None
    count_labels: Callable[[Path, DataFiles], Mapping[str, Any]] | None = None
    shapes: tuple[Shape, ...] = ()
    classes: int = 0
    coarse_classes: int = 0
    integer_maximum: int = 255

    def __post_init__(self) -> None:
        if (self.read is None) == (self.read_named is None):
            raise ValueError(f"{self.name} needs either `read` or `read_named`")
        if self.files is not None and not self.shapes:
            object.__setattr__(self, "shapes", (self.files.shape,))
            object.__setattr__(self, "classes", self.files.classes)

    def classes_with(self, arguments: Arguments) -> int:
        """How many classes a call with these arguments has; 0 where they depend on the file."""
        return self.coarse_classes if arguments.get("labels") == "coarse" else self.classes


@dataclass(frozen=True, kw_only=True)
class AugmentationConstruct(Construct):
    """A random change of a batch in training: one of ``apply`` and ``mix``.

    Attributes:
        apply: images (B, *input shape), numbers in [0, 1) that are drawn for them
            (B, ``draws``), and the arguments -> changed images of the same shape.
        mix: normalised samples (B, *input shape), as many others, numbers in [0, 1) that are
            drawn for them (B, ``draws``), and the arguments -> mixed samples, and what part
            (B,) of each one's target is its own; the rest is the other's.
        draws: how many such numbers a sample needs.
        image_only: whether it needs rows and columns.
        misfit: arguments and input shape -> why they do not go together, and the remedy; None
            where they do.
    """

    apply: Callable[[Any, Any, Arguments], Any] | None = None
    mix: Callable[[Any, Any, Any, Arguments], tuple[Any, Any]] | None = None
    draws: int
    image_only: bool = True
    misfit: Callable[[Arguments, Shape], tuple[str, str] | None] = lambda arguments, shape: None

    def __post_init__(self) -> None:
        if (self.apply is None) == (self.mix is None):
            raise ValueError(f"{self.name} needs either `apply` or `mix`")

    def misfit_of(self, arguments: Arguments, shapes: Sequence[Shape]) -> tuple[str, str] | None:
        """Why it cannot be applied to inputs of these shapes, and the remedy; None if it can."""
        images = [shape for shape in shapes if len(shape) == 3]
        if self.image_only and not images:
            return (
                f"`{self.name}` needs an image, and no input is one",
                "leave it out, or make an input image(channels, height, width)",
            )
        # One share of the target is one part of each input only where all are cut alike.
        if self.image_only and self.mix and len({shape[1:] for shape in shapes}) > 1:
            return (
                f"`{self.name}` takes the same part of every input, and these are not images of "
                "one height and width",
                "leave it out; mixup takes inputs of any kind",
            )
        misfits = (self.misfit(arguments, image) for image in images)
        return next((misfit for misfit in misfits if misfit is not None), None)
