"""ImageNet32: both formats, the cache of mapped files, and the place of any damage."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.registry.data_constructs import Form
from ffebm_dsl.running.datasets.cache import MANIFEST
from ffebm_dsl.running.datasets.raw import fingerprint, read_data

from .sets import imagenet_labels, pixels, write_imagenet

CACHE = "imagenet32.cache"


def test_batches_are_one_after_another_and_labels_count_from_0(tmp_path: Path) -> None:
    write_imagenet(tmp_path / "imagenet32")
    raw = read_data("imagenet32", {}, tmp_path)
    assert raw.train.inputs[0].shape == (30, 3, 32, 32) and raw.test.inputs[0].shape == (
        5,
        3,
        32,
        32,
    )
    assert raw.train.inputs[0][7].reshape(-1).tolist() == pixels(3, seed=2)[1].tolist()
    expected = np.concatenate([imagenet_labels(3, seed) for seed in range(10)]) - 1
    assert raw.train.y.tolist() == expected.tolist()
    assert raw.test.y.tolist() == (imagenet_labels(5, 10) - 1).tolist()
    assert raw.sha256 == fingerprint(
        [raw.train.inputs[0], raw.train.y, raw.test.inputs[0], raw.test.y]
    )


def test_all_forms_hold_the_same_data(tmp_path: Path) -> None:
    write_imagenet(tmp_path / "a" / "Imagenet32_train_npz")
    (tmp_path / "a" / "Imagenet32_val_npz").mkdir()
    (tmp_path / "a" / "Imagenet32_train_npz" / "val_data.npz").rename(
        tmp_path / "a" / "Imagenet32_val_npz" / "val_data.npz"
    )
    write_imagenet(tmp_path / "b", Form.PICKLE)
    write_imagenet(tmp_path / "c", compressed=True)
    assert len({read_data("imagenet32", {}, tmp_path / name).sha256 for name in "abc"}) == 1


def test_the_arrays_are_mapped_and_read_only(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    raw = read_data("imagenet32", {}, tmp_path)
    assert not raw.train.inputs[0].flags.owndata and not raw.train.inputs[0].flags.writeable
    maps = Path("/proc/self/maps").read_text()
    assert str(tmp_path / CACHE / "x_train") in maps


def test_the_cache_is_made_once_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_imagenet(tmp_path)
    first = read_data("imagenet32", {}, tmp_path)
    said = capsys.readouterr()
    assert f"made now, once, as a memory map for all runs: {tmp_path / CACHE}" in said.err
    assert "complete and verified" in said.err and not said.out
    made = (tmp_path / CACHE / MANIFEST).stat().st_mtime_ns
    second = read_data("imagenet32", {}, tmp_path)
    assert (tmp_path / CACHE / MANIFEST).stat().st_mtime_ns == made
    assert not capsys.readouterr().err
    assert first.sha256 == second.sha256
    assert {path.name for path in tmp_path.glob(".*")} == {f".{CACHE}.lock"}


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    left = tmp_path / f".{CACHE}.unfinished"
    left.mkdir()
    (left / "x_train").write_bytes(b"half")
    assert len(read_data("imagenet32", {}, tmp_path).train.inputs[0]) == 30
    assert not left.exists()


def test_other_files_make_another_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_imagenet(tmp_path)
    first = read_data("imagenet32", {}, tmp_path)
    np.savez(tmp_path / "val_data.npz", data=pixels(2), labels=np.array([1000, 1]))
    capsys.readouterr()
    second = read_data("imagenet32", {}, tmp_path)
    assert "was made from other files" in capsys.readouterr().err
    assert first.sha256 != second.sha256 and second.test.y.tolist() == [999, 0]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def rewrite(**changes: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        manifest = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).write_text(json.dumps({**manifest, **changes}))

    return apply


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda f: flip(f / "x_train"), "does not match its checksum"),
        (lambda f: flip(f / "y_test"), "does not match its checksum"),
        (lambda f: os.truncate(f / "x_train", 5), "is damaged"),
        (lambda f: (f / "x_test").unlink(), "is damaged"),
        (lambda f: (f / MANIFEST).unlink(), "there is no cache"),
        (lambda f: (f / MANIFEST).write_text("{" * 100_000), "is damaged"),
        (lambda f: (f / MANIFEST).write_bytes(b"\xff"), "is damaged"),
        (rewrite(version=99), "is of another version"),
        (lambda f: os.truncate(f / "x_train", 3 * 32 * 32), "does not match its checksum"),
        (lambda f: os.truncate(f / "x_train", 0), "is damaged"),
        (lambda f: (f / MANIFEST).write_text("[]"), "is damaged"),
        (rewrite(sha256=3), "does not match its checksum"),
    ],
)
def test_a_damaged_cache_is_made_anew(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    reason: str,
) -> None:
    write_imagenet(tmp_path)
    sound = read_data("imagenet32", {}, tmp_path).sha256
    damage(tmp_path / CACHE)
    capsys.readouterr()
    assert read_data("imagenet32", {}, tmp_path).sha256 == sound
    assert reason in capsys.readouterr().err


def test_a_data_directory_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    write_imagenet(data)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    read_data("imagenet32", {}, data)
    assert not (data / CACHE).exists()
    assert str(tmp_path / "own" / "ffebm") in capsys.readouterr().err


def test_a_cache_in_a_data_directory_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_imagenet(tmp_path)
    made = read_data("imagenet32", {}, tmp_path).sha256
    (tmp_path / f".{CACHE}.lock").unlink()
    monkeypatch.setattr(os, "access", lambda *_: False)
    capsys.readouterr()
    assert read_data("imagenet32", {}, tmp_path).sha256 == made
    assert not capsys.readouterr().err and not (tmp_path / f".{CACHE}.lock").exists()


def test_no_place_for_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_imagenet(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match=r"cannot write the cache .*XDG_CACHE_HOME"):
        read_data("imagenet32", {}, tmp_path)


FULL = """
import resource, signal, sys
from pathlib import Path
from ffebm_dsl.running.datasets.raw import read_data
from ffebm_dsl.language.diagnostics import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    read_data('imagenet32', {}, Path(sys.argv[1]))
except StorageError as error:
    print(error)
"""


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "imagenet32.cache.unfinished: File too large" in done.stdout
    assert not (tmp_path / CACHE).exists()
    assert {path.name for path in tmp_path.glob(".*")} == {f".{CACHE}.lock"}


def save(path: Path, **changes: Any) -> None:
    arrays = {"data": pixels(3), "labels": imagenet_labels(3)} | changes
    arrays = {name: array for name, array in arrays.items() if array is not None}
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        path.write_bytes(pickle.dumps(arrays, 4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.array([0, 1, 2])}, "label 0 at index 0 of `labels`; labels are 1 to 1000"),
        ({"labels": np.array([1, 2, 1001])}, "label 1001 at index 2"),
        ({"labels": None}, "has no (array|list of numbers) .labels.; it has: data"),
        ({"labels": np.arange(1, 3)}, r"(shape \[2\]|2 entries in 'labels' for 3 images)"),
        ({"labels": np.ones(3)}, "(type float64|no list of numbers)"),
        ({"data": None}, "has no array `data`; it has: labels"),
        ({"data": pixels(3)[:, :3000]}, r"shape \[3, 3000\]"),
        ({"data": pixels(3).astype(np.int16)}, "type int16"),
        ({"data": np.uint8(3) * np.ones((), np.uint8)}, "shape|single|no name of data"),
    ],
)
@pytest.mark.parametrize("form", [Form.NPZ, Form.PICKLE])
def test_unfit_batches(tmp_path: Path, changes: dict[str, Any], message: str, form: Form) -> None:
    write_imagenet(tmp_path, form)
    path = tmp_path / f"train_data_batch_7{'.npz' if form is Form.NPZ else ''}"
    save(path, **changes)
    with pytest.raises(InputError, match=message) as caught:
        read_data("imagenet32", {}, tmp_path)
    assert str(path) in caught.value.message and caught.value.help
    assert not (tmp_path / CACHE).exists()


@pytest.mark.parametrize("form", [Form.NPZ, Form.PICKLE])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.999])
def test_truncated_batches(tmp_path: Path, form: Form, part: float) -> None:
    write_imagenet(tmp_path, form)
    path = tmp_path / f"train_data_batch_10{'.npz' if form is Form.NPZ else ''}"
    os.truncate(path, int(path.stat().st_size * part))
    with pytest.raises(InputError, match="train_data_batch_10") as caught:
        read_data("imagenet32", {}, tmp_path)
    assert caught.value.help and not (tmp_path / CACHE).exists()


def test_a_missing_batch(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    (tmp_path / "train_data_batch_4.npz").unlink()
    with pytest.raises(InputError, match=r"ImageNet32 file train_data_batch_4\.npz") as caught:
        read_data("imagenet32", {}, tmp_path)
    assert "a login is needed" in caught.value.help


def test_two_processes_make_one_cache(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    code = "import sys; from pathlib import Path\n"
    code += "from ffebm_dsl.running.datasets.raw import read_data\n"
    code += "print(read_data('imagenet32', {}, Path(sys.argv[1])).sha256)"
    command = [sys.executable, "-c", code, str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    said = [process.communicate() for process in processes]
    assert len({out for out, _ in said}) == 1
    assert sum("made now" in err for _, err in said) == 1
    shutil.rmtree(tmp_path / CACHE)
