"""A seal can be verified with standard tools only."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import pytest

from ffebm_dsl.running import seal
from ffebm_dsl.running.records import image
from tests.records import whole_record


def test_the_seal_is_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(image(whole_record(steps=9)))
    with h5py.File(path) as file:
        stored = file["file_sha256"][()]
    digits = stored.removeprefix(b"ffebm sha256 ")
    content = path.read_bytes().replace(digits, b"0" * 64)
    assert hashlib.sha256(content).hexdigest().encode() == digits
    assert seal.fits(path.read_bytes())


@pytest.mark.parametrize("place", [0, 5, 12, 13, 40, 76, 77, 176])
def test_every_byte_counts(tmp_path: Path, place: int) -> None:
    content = bytearray(seal.sealed(seal.TEXT + b"x" * 100))
    assert seal.fits(bytes(content))
    content[place] ^= 1
    assert not seal.fits(bytes(content))


@pytest.mark.parametrize("content", [b"ffebm sha256 and no digits", b""])
def test_a_file_without_a_seal(content: bytes) -> None:
    assert not seal.fits(content)


@pytest.mark.parametrize("content", [b"", seal.TEXT * 2])
def test_a_seal_needs_one_place(content: bytes) -> None:
    with pytest.raises(ValueError, match="one place"):
        seal.sealed(content)
