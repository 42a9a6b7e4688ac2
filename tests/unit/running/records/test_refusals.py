"""The reader refuses incomplete or invalid records, and says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running import seal
from ffebm_dsl.running.records import image, read
from tests.records import whole_record


@pytest.fixture(scope="module")
def content() -> bytes:
    return image(whole_record(steps=20))


def resealed(content: bytes) -> bytes:
    """The file as a forger would leave it: with a seal that fits."""
    place = content.index(seal.MARK) + len(seal.MARK)
    return seal.sealed(content[:place] + seal.EMPTY + content[place + 64 :])


def replace_dataset(name: str, change: Callable[[Any], Any]) -> Callable[[h5py.File], None]:
    def apply(file: h5py.File) -> None:
        values = change(file[name][()])
        del file[name]
        file[name] = values

    return apply


def set_attribute(node: str, name: str, value: object) -> Callable[[h5py.File], None]:
    def apply(file: h5py.File) -> None:
        file[node].attrs[name] = value

    return apply


def put_link(name: str, link: object) -> Callable[[h5py.File], None]:
    def apply(file: h5py.File) -> None:
        del file[name]
        file[name] = link

    return apply


def put_external(file: h5py.File) -> None:
    del file["run/train/loss"]
    file.create_dataset("run/train/loss", (20,), "f8", external=[("/dev/zero", 0, 160)])


def remove(name: str) -> Callable[[h5py.File], None]:
    def apply(file: h5py.File) -> None:
        del file[name]

    return apply


def swap_steps(steps: Any) -> Any:
    steps[3:5] = steps[3:5][::-1]
    return steps


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (set_attribute("/", "format", "other"), "is not a record of format ffebm-log"),
        (set_attribute("/", "format", 3), "is not a record of format ffebm-log"),
        (set_attribute("/", "format_version", "2.0"), "has format version '2.0'"),
        (set_attribute("run", "status", "asleep"), "unknown status 'asleep'"),
        (remove("run"), "/run is missing"),
        (remove("run/train"), "/run/train is missing"),
        (remove("run/eval/top1"), "/run/eval/top1 is missing"),
        (replace_dataset("run/train/loss", lambda x: x[:-1]), "has 19 entries along step"),
        (replace_dataset("run/train/loss", lambda x: x[:, None]), "has 2 dimensions"),
        (replace_dataset("run/train/loss", lambda x: x.astype("f4")), "has type float32, not f8"),
        (replace_dataset("run/train/epoch", lambda x: ["a"] * 20), "has type object, not i4"),
        (replace_dataset("run/events/kind", lambda x: [1]), "has type int64, not str"),
        (
            replace_dataset("run/relaxation/sweeps_max", lambda x: x[:, :1]),
            "has 1 entries along solve, others 4",
        ),
        (replace_dataset("run/train/step", swap_steps), "does not increase strictly"),
        (
            replace_dataset("run/provenance/spec_text", lambda x: x + b"#"),
            "does not fit its checksum",
        ),
        (put_link("run/train/loss", h5py.SoftLink("/run/train/accuracy")), "is a link"),
        (put_link("run/train", h5py.ExternalLink("other.h5", "/")), "is a link"),
        (put_link("run/train/loss", h5py.SoftLink("/nowhere")), "is a link"),
        (put_external, "takes its values from another file"),
        (put_link("run/train/loss", np.float64(1.0)), "has 0 dimensions"),
        (put_link("run/events", np.arange(3)), "/run/events is not a group"),
        (put_link("run/segments", np.arange(3)), "/run/segments is not a group"),
        (put_link("run", np.arange(3)), "/run is missing"),
    ],
)
def test_what_the_schema_does_not_allow(
    tmp_path: Path, content: bytes, damage: Callable[[h5py.File], None], message: str
) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(content)
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(InputError, match="does not fit its checksum"):
        read(path)
    path.write_bytes(resealed(path.read_bytes()))
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(path) in caught.value.message and caught.value.help


@pytest.mark.parametrize("size", [0, 7, 100, 2000, 10_000])
def test_truncated_files(tmp_path: Path, content: bytes, size: int) -> None:
    (tmp_path / "run.h5").write_bytes(content[:size])
    message = "is not an HDF5 file" if size < 8 else "does not fit its checksum"
    with pytest.raises(InputError, match=message):
        read(tmp_path / "run.h5")


@pytest.mark.parametrize("place", range(0, 100, 7))
def test_every_flipped_bit_is_noticed(tmp_path: Path, content: bytes, place: int) -> None:
    damaged = bytearray(content)
    damaged[len(content) * place // 100] ^= 1 << place % 8
    (tmp_path / "run.h5").write_bytes(damaged)
    with pytest.raises(InputError):
        read(tmp_path / "run.h5")


def test_what_is_added_to_a_file_is_noticed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.h5").write_bytes(content + b"\0")
    with pytest.raises(InputError, match="does not fit its checksum"):
        read(tmp_path / "run.h5")


def test_files_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "run.h5").write_text("step,loss\n" * 100)
    with pytest.raises(InputError, match="is not an HDF5 file"):
        read(tmp_path / "run.h5")


def test_a_seal_that_is_gone_is_missed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.h5").write_bytes(content.replace(seal.MARK, b"other sha256 "))
    with pytest.raises(InputError, match="does not fit its checksum"):
        read(tmp_path / "run.h5")


def test_a_forged_seal_does_not_make_a_file_readable(tmp_path: Path, content: bytes) -> None:
    """Bytes that HDF5 cannot read, with a checksum that fits."""
    damaged = content[:8] + bytes(2000) + content[2008:]
    (tmp_path / "run.h5").write_bytes(resealed(damaged))
    with pytest.raises(InputError, match="cannot be read as HDF5"):
        read(tmp_path / "run.h5")
