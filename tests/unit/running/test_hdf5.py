"""Files of unknown origin can only provide numbers and texts."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running import hdf5
from ffebm_dsl.running.hdf5 import read_foreign

NUMBERS = np.arange(24, dtype=">i2").reshape(2, 3, 4)


def good(file: h5py.File) -> None:
    file["numbers"] = NUMBERS
    file["group/packed"] = np.ones(2)
    file.create_dataset("rows", data=np.arange(50.0), chunks=(7,), compression=1, fletcher32=True)
    file["texts"] = ["a", "\x1b[31mé"]
    file["empty"] = np.zeros((0, 3), np.uint8)
    file["single"] = 3.0


def write(path: Path, fill: Callable[[h5py.File], None]) -> Path:
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        fill(file)
    return path


def test_plain_data_come_through(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", good)
    path.chmod(0o400)
    names = ("numbers", "group/packed", "rows", "empty")
    arrays = read_foreign(path, names)
    assert arrays.keys() == set(names)
    np.testing.assert_array_equal(arrays["numbers"], NUMBERS)
    assert arrays["group/packed"].tolist() == [1.0, 1.0]
    assert arrays["rows"].tolist() == list(range(50))
    assert arrays["empty"].shape == (0, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "has no array `absent`; it has: empty, group, numbers, rows, single, texts"),
        ("group/absent", "has no array `group/absent`"),
        ("single", r"single has shape \[\] and type float64"),
        ("texts", r"texts has shape \[2\] and type object"),
    ],
)
def test_what_is_asked_for_must_be_there(tmp_path: Path, name: str, message: str) -> None:
    path = write(tmp_path / "a.h5", good)
    with pytest.raises(InputError, match=message) as caught:
        read_foreign(path, ["numbers", name])
    assert str(path) in caught.value.message and caught.value.help


def external(file: h5py.File) -> None:
    file.create_dataset("x", (8,), np.uint8, external=[("/etc/hostname", 0, 8)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((8,), np.uint8)
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (8,))
    file.create_virtual_dataset("x", layout)


def external_link(file: h5py.File) -> None:
    file["x"] = h5py.ExternalLink("other.h5", "x")


def soft_link(file: h5py.File) -> None:
    file["y"] = np.arange(3)
    file["x"] = h5py.SoftLink("/y")


def huge(file: h5py.File) -> None:
    file.create_dataset("x", (1 << 40,), np.float64, chunks=(1024,))


def swelling(file: h5py.File) -> None:
    """Zeros, packed twice: a byte stored stands for far more than deflate alone can give."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1 << 22,))
    plist.set_deflate(9)
    plist.set_deflate(9)
    space = h5py.h5s.create_simple((1 << 26,))
    identifier = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_UINT8, space, plist)
    h5py.Dataset(identifier)[...] = 0


def other_filter(file: h5py.File) -> None:
    file.create_dataset("x", data=np.arange(100), chunks=(10,), compression="lzf")


def compound(file: h5py.File) -> None:
    file["x"] = np.zeros(3, [("a", "i4"), ("b", "f8")])


def reference(file: h5py.File) -> None:
    file["x"] = file.ref


def sequences(file: h5py.File) -> None:
    file.create_dataset("x", (3,), h5py.vlen_dtype(np.int32))


def nothing(file: h5py.File) -> None:
    file["x"] = h5py.Empty("f4")


def not_text(file: h5py.File) -> None:
    file.create_dataset("x", data=[b"\xff\xfe"], dtype=h5py.string_dtype("utf-8"))


def loop(file: h5py.File) -> None:
    file.create_group("x")
    file["x/x"] = file["x"]


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (external, "/?x takes its values from another file"),
        (virtual, "/?x takes its values from another file"),
        (external_link, "/x is a link to another place"),
        (soft_link, "/x is a link to another place"),
        (huge, r"declares 8796093022208 bytes and stores 0"),
        (swelling, r"declares 67108864 bytes and stores \d+"),
        (other_filter, "is packed with lzf, which is not read"),
        (compound, "has type"),
        (reference, "has type object"),
        (sequences, "has type object"),
        (nothing, "is empty"),
        (not_text, "has shape .* and type object"),
        (loop, "is not a dataset"),
    ],
)
def test_what_is_not_plain_data_is_refused(
    tmp_path: Path, fill: Callable[[h5py.File], None], message: str
) -> None:
    path = write(tmp_path / "a.h5", fill)
    with pytest.raises(InputError, match=message) as caught:
        read_foreign(path, ["x"])
    assert str(path) in caught.value.message and caught.value.help


def test_another_filter_has_a_remedy(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", other_filter)
    with pytest.raises(InputError) as caught:
        read_foreign(path, ["x"])
    assert "compression='gzip'" in caught.value.help and "h5repack" in caught.value.help


def test_everything_together_must_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.h5", good)
    monkeypatch.setattr(hdf5, "_limit", lambda memory, seconds: None)
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 447, "SC_PAGE_SIZE": 1}.__getitem__)
    for names, fault in ((["numbers"], None), (["numbers", "rows"], "declares 448 bytes; at most")):
        out = io.BytesIO()
        with path.open("rb") as content:
            assert hdf5.main([*names, "--"], content, out) == 0
        heading = json.loads(out.getvalue().splitlines()[0])
        assert heading.get("fault", "").startswith(fault or "")
        assert ("fault" in heading) == (fault is not None)


@pytest.mark.parametrize("damage", ["cut", "flip", "text"])
def test_damaged_files(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path / "a.h5", good)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flip":
        with h5py.File(path) as file:
            place = file["rows"].id.get_chunk_info(3).byte_offset
        content[place + 3] ^= 8
    else:
        content = bytearray(b"no file of ours" * 100)
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as HDF5"):
        read_foreign(path, ["rows"])


ARRAY = "import sys, numpy; numpy.lib.format.write_array(sys.stdout.buffer, numpy.{})"
NAMED = 'print(\'{"names": ["numbers"]}\', flush=True); '


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "takes too long"),
        ("pass", "an array in it is damaged"),
        ("print('[]'); print()", "an array in it is damaged"),
        (NAMED, "an array in it is damaged"),
        (NAMED + ARRAY.format("array(['a'])"), "an array in it is damaged"),
        (NAMED + ARRAY.format("zeros(9)") + "; print(1)", "an array in it is damaged"),
        (NAMED + ARRAY.format("zeros(9)") + "; sys.exit(1)", "an array in it is damaged"),
    ],
)
def test_a_reader_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    """Each stands for what a file can do to the library inside the child."""
    path = write(tmp_path / "a.h5", good)
    running = tmp_path / "ffebm_dsl" / "running"
    running.mkdir(parents=True)
    for folder in (running, running.parent):
        (folder / "__init__.py").touch()
    (running / "hdf5.py").write_text(code)
    monkeypatch.setattr(hdf5.ffebm_dsl, "__file__", str(tmp_path / "ffebm_dsl" / "__init__.py"))
    with pytest.raises(InputError, match=message):
        read_foreign(path, ["numbers"])


def test_the_limits_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a child of our own: too much memory is refused, and no file can be written."""
    pid = os.fork()
    if pid == 0:
        try:
            hdf5._limit(1 << 32, 10)
            try:
                np.ones(1 << 30)
            except MemoryError:
                import signal

                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                try:
                    (tmp_path / "a").write_bytes(b"content")
                except OSError:
                    os._exit(7)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
