"""A seal can be checked by whoever has the file, with nothing of ours."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import pytest

from ffebm_dsl.records import image, seal

from .sample import sample_record


def test_the_seal_is_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(image(sample_record(steps=9)))
    with h5py.File(path) as file:
        stored = file["file_sha256"][()].decode()
        offset = file["file_sha256"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[offset : offset + 64] = bytes(64)
    assert hashlib.sha256(content).hexdigest() == stored


@pytest.mark.parametrize("offset", [0, 3, 80, 1000 - 64])
def test_blocks_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: int) -> None:
    content = bytearray(range(250)) * 4
    content[offset : offset + 64] = bytes(64)
    whole = seal.sealed(bytes(content), offset)
    (tmp_path / "a").write_bytes(whole)
    for size in (1, 64, 100, 5000):
        monkeypatch.setattr(seal, "BLOCK_BYTES", size)
        with (tmp_path / "a").open("rb") as file:
            assert seal.measured(file.fileno(), offset).encode() == whole[offset : offset + 64]


def test_a_seal_needs_its_room() -> None:
    with pytest.raises(ValueError, match="no room"):
        seal.sealed(b"x" * 100, 3)
