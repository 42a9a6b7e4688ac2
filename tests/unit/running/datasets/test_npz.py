"""npz archives are read as by NumPy, and damage that NumPy would not detect is found."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.datasets.npz_archive import read_npz

ARRAYS = nps.arrays(
    nps.integer_dtypes() | nps.floating_dtypes(), nps.array_shapes(min_dims=1, min_side=0)
)


def read(path: Path, name: str = "a") -> Any:
    return read_npz(path, [name])[name]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ARRAYS, st.booleans(), st.booleans())
def test_arrays_are_read_as_numpy_reads_them(
    tmp_path: Path, array: Any, fortran: bool, compressed: bool
) -> None:
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "a.npz", a=np.asfortranarray(array) if fortran else array)
    found = read(tmp_path / "a.npz")
    assert found.dtype == array.dtype and found.tobytes() == array.tobytes()


def header(shape: str, dtype: str = "|u1", version: bytes = b"\x01\x00") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text


def archive(
    path: Path, members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED
) -> None:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header("(1099511627776,)") + b"abc", "cannot be read"),
        (header("(3,)") + b"ab", "cannot be read"),
        (header("(3,)") + b"abcd", "goes on after 3 bytes"),
        (header("(2,)", "|O") + b"\x80\x04", "cannot be read .* Object arrays"),
        (header("(-2, -3)") + b"abcdef", "cannot be read"),
        (header("(os.system('x'),)") + b"a", "cannot be read"),
        (header("(3,)", "not a type") + b"abc", "cannot be read"),
        (header("(3,)", version=b"\x09\x00") + b"abc", "cannot be read"),
        (header("()") + b"a", "is a single number"),
        (b"", "cannot be read"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "cannot be read"),
        (b"no array at all", "cannot be read"),
    ],
)
def test_unfit_members(tmp_path: Path, content: bytes, message: str) -> None:
    archive(tmp_path / "a.npz", {"a.npy": content})
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / "a.npz")
    assert "a.npz" in caught.value.message and caught.value.help


def test_a_flipped_bit_is_found_by_the_archives_checksum(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.arange(10_000, dtype=np.uint8))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[600] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as an npz archive: Bad CRC-32"):
        read(tmp_path / "a.npz")


def test_a_directory_that_lies_about_the_size(tmp_path: Path) -> None:
    """The archive's directory declares more than its member holds."""
    buffer = io.BytesIO()
    content = header("(100,)") + bytes(40)
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.npy", content)
    whole = buffer.getvalue().replace(
        struct.pack("<II", len(content), len(content)),
        struct.pack("<II", len(content) + 60, len(content) + 60),
    )
    (tmp_path / "a.npz").write_bytes(whole)
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "a.npz")
