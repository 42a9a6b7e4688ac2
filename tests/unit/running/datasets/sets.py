"""Small data sets in the formats of the real ones."""

from __future__ import annotations

import gzip
import pickle
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.registry.data_constructs import DataFiles, Form, Layout
from ffebm_dsl.running.datasets.places import CATALOGUE

Bytes = NDArray[np.uint8]

SMALL_CIFAR10 = replace(CATALOGUE["cifar10"], train=10, test=4)
SMALL_CIFAR100 = replace(CATALOGUE["cifar100"], train=12, test=4)


def layout(known: DataFiles, form: Form) -> Layout:
    return next(found for found in known.layouts if found.form is form)


def pixels(images: int, seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (images, 3072), np.uint8)


def labels(images: int, classes: int, seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, classes, images).astype(np.uint8)


def write_cifar10_binary(folder: Path, each: int = 2, test: int = 4) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = layout(CATALOGUE["cifar10"], Form.BINARY)
    for seed, name in enumerate(names.files):
        images = test if name in names.test else each
        records = [labels(images, 10, seed)[:, None], pixels(images, seed)]
        (folder / name).write_bytes(np.concatenate(records, axis=1).tobytes())


def write_cifar10_python(folder: Path, each: int = 2, test: int = 4, protocol: int = 2) -> None:
    """The same images as :func:`write_cifar10_binary`; protocol 2 as Python 2 wrote it."""
    folder.mkdir(parents=True, exist_ok=True)
    names = layout(CATALOGUE["cifar10"], Form.PICKLE)
    for seed, name in enumerate(names.files):
        images = test if name in names.test else each
        says = "testing batch 1 of 1" if name in names.test else f"training batch {seed + 1} of 5"
        write_python_batch(
            folder / name,
            says,
            {"labels": labels(images, 10, seed)},
            pixels(images, seed),
            protocol,
        )


def write_cifar100_binary(folder: Path, train: int = 12, test: int = 4) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, images) in enumerate((("train.bin", train), ("test.bin", test))):
        kinds = [labels(images, 20, seed)[:, None], labels(images, 100, seed)[:, None]]
        (folder / name).write_bytes(
            np.concatenate([*kinds, pixels(images, seed)], axis=1).tobytes()
        )


def write_cifar100_python(folder: Path, train: int = 12, test: int = 4) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, images) in enumerate((("train", train), ("test", test))):
        lists = {
            "coarse_labels": labels(images, 20, seed),
            "fine_labels": labels(images, 100, seed),
        }
        says = f"{name}ing batch 1 of 1"
        write_python_batch(folder / name, says, lists, pixels(images, seed), 2)


def write_python_batch(
    path: Path, says: str, lists: Mapping[str, Bytes], data: Bytes, protocol: int
) -> None:
    batch: dict[str, Any] = {"batch_label": says}
    batch |= {key: [int(label) for label in values] for key, values in lists.items()}
    batch["data"] = data
    batch["filenames"] = [f"image_{number}.png" for number in range(len(data))]
    content = python2_pickle(batch) if protocol == 2 else pickle.dumps(batch, protocol)
    path.write_bytes(content)


def python2_pickle(batch: Mapping[str, Any]) -> bytes:
    """Protocol 2 as cPickle of Python 2 writes it: text and bytes alike are byte strings."""
    items = b"".join(_text(key) + _value(value) for key, value in batch.items())
    return b"\x80\x02}q\x01(" + items + b"u."


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)
    if isinstance(value, list):
        return b"](" + b"".join(_value(entry) for entry in value) + b"e"
    rows, columns = value.shape
    dtype = b"cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNN"
    dtype += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    head = b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87R"
    shape = _value(rows) + b"M" + struct.pack("<H", columns) + b"\x86"
    raw: bytes = value.tobytes()
    return (
        head + b"q\x09(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"
    )


def _text(text: str) -> bytes:
    raw = text.encode("latin-1")
    return b"U" + bytes([len(raw)]) + raw


def write_imagenet(
    folder: Path, form: Form = Form.NPZ, each: int = 3, test: int = 5, compressed: bool = False
) -> None:
    """Ten training batches and the validation batch; labels count from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    names = layout(CATALOGUE["imagenet32"], form)
    for seed, name in enumerate(names.files):
        images = test if name in names.test else each
        batch = {"data": pixels(images, seed), "labels": imagenet_labels(images, seed)}
        if form is Form.NPZ:
            save = np.savez_compressed if compressed else np.savez
            save(folder / name, **batch, mean=np.zeros(3072))
        else:
            python = {**batch, "labels": batch["labels"].tolist(), "mean": np.zeros(3072)}
            (folder / name).write_bytes(pickle.dumps(python, 3))


def imagenet_labels(images: int, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(1, 1001, images)


def write_idx(folder: Path, zipped: bool = False, train: int = 7, test: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in CATALOGUE["mnist"].layouts[0].files:
        images = train if name.startswith("train") else test
        shape = (images, 28, 28) if "images" in name else (images,)
        content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
        content += (np.arange(np.prod(shape)) % 10).astype(np.uint8).tobytes()
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
