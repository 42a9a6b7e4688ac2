"""Pickles: data are read as by Python; anything else is refused without running it."""

from __future__ import annotations

import collections
import datetime
import functools
import os
import pickle
import pickletools
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.datasets.pickles import read_pickle

from .sets import python2_pickle

PER_EXAMPLE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

NUMBERS = nps.integer_dtypes() | nps.unsigned_integer_dtypes() | nps.floating_dtypes(sizes=(32, 64))
ARRAYS = nps.arrays(NUMBERS, nps.array_shapes(min_side=0, max_dims=3))
PLAIN = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False)
ENTRIES = PLAIN | st.text(max_size=300) | st.binary(max_size=300)
VALUES = ENTRIES | st.lists(ENTRIES, max_size=20) | ARRAYS


def read(folder: Path, content: bytes) -> dict[str, Any]:
    path = folder / "batch"
    path.write_bytes(content)
    return read_pickle(path)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and one.dtype == other.dtype
            and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(other, memoryview):
        other = other.tobytes()
    return bool(one == other) and (type(one) is type(other) or isinstance(one, bytes))


@PER_EXAMPLE
@given(st.dictionaries(st.text(max_size=20), VALUES, max_size=8), st.integers(2, 5))
def test_data_are_read_as_python_reads_them(
    tmp_path: Path, data: dict[str, Any], protocol: int
) -> None:
    found = read(tmp_path, pickle.dumps(data, protocol))
    assert list(found) == list(data)
    assert all(same(value, found[key]) for key, value in data.items())


def test_the_comparison_can_fail() -> None:
    array = np.arange(3)
    assert not same(array, array.astype(np.int32)) and not same([1], [True])
    assert not same(array, array + 1) and not same("a", b"a") and not same(1, 2)


@pytest.mark.parametrize("protocol", range(1, 6))
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<i2", ">f8", "u1"])
def test_orders_of_bytes_and_axes(tmp_path: Path, protocol: int, order: Any, dtype: str) -> None:
    array = np.asarray(np.arange(600).reshape(20, 30) % 251, dtype, order=order)
    found = read(tmp_path, pickle.dumps({"a": array, "again": array}, protocol))
    assert same(array, found["a"]) and same(array, found["again"])


def test_the_python_2_layout(tmp_path: Path) -> None:
    data = np.arange(2 * 3072).reshape(2, 3072).astype(np.uint8)
    batch = {"batch_label": "training batch 1 of 5", "labels": [3, 300], "data": data}
    content = python2_pickle(batch)
    found = read(tmp_path, content)
    assert found["batch_label"] == "training batch 1 of 5" and found["labels"] == [3, 300]
    np.testing.assert_array_equal(found["data"], data)
    theirs = pickle.loads(content, encoding="latin1")  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(theirs["data"], data)


def test_arrays_are_views_of_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, pickle.dumps({"a": np.zeros(1 << 20, np.uint8)}, 3))
    assert not found["a"].flags.writeable and not found["a"].flags.owndata


class Harm:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_harm_is_not_done(tmp_path: Path, protocol: int) -> None:
    harm = tmp_path / "harm"
    content = pickle.dumps({"data": Harm(harm)}, protocol)
    with pytest.raises(InputError, match="cannot be read as a pickle of data"):
        read(tmp_path, content)
    assert not harm.exists()
    pickle.loads(content)  # noqa: S301 - that this one does the harm is the point
    assert harm.exists()


HOSTILE: dict[str, bytes] = {
    "os.system": b"\x80\x02cos\nsystem\nU\x04true\x85R.",
    "posix.system": b"\x80\x02cposix\nsystem\nU\x04true\x85R.",
    "builtins.eval": b"\x80\x03cbuiltins\neval\nX\x011\x00\x00\x00\x85R.",
    "builtins.eval on the stack": b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
    "__builtin__.eval": b"\x80\x02c__builtin__\neval\nU\x011\x85R.",
    "getattr": b"\x80\x02cbuiltins\ngetattr\n.",
    "a name below numpy": b"\x80\x04\x8c\x05numpy\x8c\x0cf2py.crackfo\x93.",
    "numpy.fromfile": b"\x80\x02cnumpy\nfromfile\nU\x0b/etc/passwd\x85R.",
    "numpy.core.multiarray.scalar": b"\x80\x02cnumpy.core.multiarray\nscalar\n.",
    "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__class__\x93.",
    "an unhashable name": b"\x80\x04]]\x93.",
    "a class instance": b"\x80\x02(inumpy\nndarray\n.",
    "a new object": b"\x80\x02cnumpy\nndarray\n)\x81.",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent id": b"\x80\x02U\x01aQ.",
    "a long of its own length": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "out of band": b"\x80\x05\x97.",
    "encode by another codec": b"\x80\x04\x8c\x07_codecs\x8c\x06encode\x93"
    b"\x8c\x01a\x8c\x03zip\x86R.",
    "an array class called": b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85R.",
    "another shape to begin with": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n"
    b"cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85U\x01b\x87R.",
    "another class to be filled": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n"
    b"cnumpy\ndtype\nK\x00\x85U\x01b\x87R.",
    "state of a list": b"\x80\x02]]b.",
    "a list in itself": b"\x80\x02}U\x01a]q\x00h\x00as.",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pickles_are_refused(tmp_path: Path, content: bytes) -> None:
    modules = set(sys.modules)
    with pytest.raises(InputError, match=r"cannot be read as a pickle of data: .") as caught:
        read(tmp_path, content)
    assert "nothing in them is run" in caught.value.help
    assert set(sys.modules) == modules


@pytest.mark.parametrize(
    "value",
    [
        np.array([print, len], dtype=object),
        np.array([1, 2], dtype=object),
        np.zeros(2, [("a", "u1"), ("b", "f4")]),
        np.array(["text"]),
        np.array([b"bytes"]),
        np.zeros(2, bool),
        np.zeros(2, complex),
        np.zeros(2, "M8[s]"),
        np.float64(1.0),
        np.ma.zeros(3),
        collections.OrderedDict(a=1),
        datetime.date(2024, 9, 5),
        functools.partial(print),
        {1, 2},
        frozenset((1,)),
        1j,
        2**80,
        print,
        Path("a"),
    ],
    ids=lambda value: type(value).__name__ + str(getattr(value, "dtype", "")),
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_what_is_no_array_of_numbers_is_refused(tmp_path: Path, value: Any, protocol: int) -> None:
    with pytest.raises(InputError, match="batch"):
        read(tmp_path, pickle.dumps({"data": value}, protocol))


def array_state(shape: bytes, raw: bytes, code: bytes = b"U\x02u1") -> bytes:
    """An array with this shape and these bytes, as instructions."""
    return (
        b"\x80\x02}U\x01acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01" + shape + b"cnumpy\ndtype\n" + code + b"K\x00K\x01\x87R\x89" + raw + b"tbs."
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62), "too early"),
        (b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62), "too early"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1 << 40), "too early"),
        (b"\x80\x03B\xff\xff\xff\xffab", "too early"),
        (b"\x80\x02T\xff\xff\xff\xffab", "negative byte count"),
        (b"\x80\x03X\xff\xff\xff\x7fab", "too early"),
        (b"I" + b"9" * 5000 + b"\n.", "limit"),
        (b"\x80\x02c" + b"a" * 1000, "no name of data"),
        (array_state(b"\x8a\x08" + struct.pack("<q", 1 << 40) + b"\x85", b"U\x03abc"), "reshape"),
        (array_state(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", b"U\x01a"), "array"),
        (array_state(b"J\xff\xff\xff\xff\x85", b"U\x01a"), "no proper shape"),
        (array_state(b"\x88\x85", b"U\x01a"), "no proper shape"),
        (array_state(b"K\x03", b"U\x03abc"), "no proper shape"),
        (array_state(b"(" + b"K\x01" * 100 + b"t", b"U\x01a"), "maximum supported dimension"),
        (array_state(b"K\x01\x85", b"]"), "something other than its bytes"),
        (array_state(b"K\x01\x85", b"U\x08abcdefgh", b"U\x02O8"), "only numbers are data"),
        (array_state(b"K\x01\x85", b"U\x01a", b"U\x02f1"), "only numbers are data"),
        (array_state(b"K\x01\x85", b"U\x01a", b"U\x09u1,u1,u1,"), "only numbers are data"),
    ],
)
def test_what_is_declared_is_not_believed(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02}",
        b"\x80\x02].",
        b"\x80\x02}.\x00",
        b"\x80\x02.",
        b"\x80\x02u.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02}K\x01K\x01s.",
        b"\x80\x02](K\x01K\x01u.",
        b"\x80\x02}K\x01a.",
        b"\x80\x02h\x05.",
        b"\x80\x03X\x01\x00\x00\x00\xff.",
        b"\x80\x02}U\x01acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87Rs.",
        b"PK\x03\x04",
    ],
)
def test_faults_are_told(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match=r"batch cannot be read as a pickle of data: ."):
        read(tmp_path, content)


CODES = [ord(opcode.code) for opcode in pickletools.opcodes]

GOOD = pickle.dumps({"data": np.arange(12, dtype=np.uint8), "labels": [1, 2]}, 4)


def test_every_truncation_is_found(tmp_path: Path) -> None:
    for length in range(len(GOOD)):
        with pytest.raises(InputError, match="cannot be read as a pickle"):
            read(tmp_path, GOOD[:length])


@PER_EXAMPLE
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_mutations_are_data_or_refused(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    content = bytearray(GOOD)
    for place, value in changes:
        content[place] = value
    refused_or_read(tmp_path, bytes(content))


@PER_EXAMPLE
@given(st.lists(st.sampled_from(CODES) | st.integers(0, 255), max_size=40))
def test_nonsense_is_refused(tmp_path: Path, codes: list[int]) -> None:
    refused_or_read(tmp_path, bytes(codes))


def refused_or_read(folder: Path, content: bytes) -> None:
    try:
        assert isinstance(read(folder, content), dict)
    except InputError as error:
        assert str(folder) in error.message


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "batch").open("wb") as file:
        file.truncate((1 << 31) + 1)
    with pytest.raises(InputError, match="2147483649 bytes"):
        read_pickle(tmp_path / "batch")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_pickle(tmp_path / "absent")
