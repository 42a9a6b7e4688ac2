"""``ffebm data``, and refusal of damaged files by ``ffebm train``, for every set and format."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.language.registry.data_constructs import DataFiles, Form, Layout
from ffebm_dsl.running.datasets.places import CATALOGUE

RECORDS = {"cifar10": 10_000 * 3073, "cifar100": 50_000 * 3074}


def spec(name: str, known: DataFiles) -> str:
    shape = ", ".join(map(str, known.shape))
    return f"""ffe 1.0
model m {{
  input  x: image({shape})
  target y: label({known.classes})
  relax free   {{ sweeps = 2 }}
  relax nudged {{ sweeps = 1 }}
  block b {{
    feedforward u = x |> avg_pool2d(7) |> flatten() |> linear(4)
    energy hopfield {{
      layer s1: [4] hard_sigmoid
      layer s2: [4] hard_sigmoid
      u  ->  s1
      s1 <-> s2 : linear()
    }}
    out = s2
  }}
  readout logits = b |> linear({known.classes})
  loss = cross_entropy(logits, y)
}}
train {{ data = {name}()  optimizer = adam()  epochs = 1 }}
"""


def write_first(folder: Path, known: DataFiles, layout: Layout) -> Path:
    """All files of a layout, the first sound and the others empty; the first."""
    folder.mkdir(parents=True)
    for name in layout.files:
        (folder / name).touch()
    first = folder / layout.files[0]
    if layout.form is Form.IDX:
        first.write_bytes(
            b"\x00\x00\x08\x03" + np.array([5, 28, 28], ">u4").tobytes() + bytes(3920)
        )
        labels = b"\x00\x00\x08\x01" + np.array([5], ">u4").tobytes() + bytes(5)
        (folder / layout.files[1]).write_bytes(labels)
    elif layout.form is Form.BINARY:
        with first.open("wb") as file:
            file.truncate(RECORDS[known.name])
    elif layout.form is Form.NPZ:
        np.savez(first, data=np.zeros((4, 3072), np.uint8), labels=np.arange(1, 5))
    else:
        batch = {"labels": [1] * 4, "data": np.zeros((4, 3072), np.uint8)}
        first.write_bytes(pickle.dumps(batch, 2))
    return first


def cut(path: Path) -> None:
    """Take the last 100 bytes off."""
    os.truncate(path, path.stat().st_size - 100)


def spoil(path: Path) -> None:
    """Change bytes in the file's first part: headers, sizes, names, or the first label."""
    with path.open("r+b") as file:
        content = file.read(60)
        file.seek(0)
        file.write(bytes(byte ^ 0xFF for byte in content))


FORMS = [
    pytest.param(known, layout, id=f"{known.name}-{layout.form}")
    for known in CATALOGUE.values()
    for layout in known.layouts
]


@pytest.mark.parametrize("damage", [cut, spoil, Path.unlink], ids=["cut", "spoilt", "missing"])
@pytest.mark.parametrize(("known", "layout"), FORMS)
@pytest.mark.parametrize("command", ["train", "verify"])
def test_a_damaged_file_is_named_and_the_exit_code_is_2(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    known: DataFiles,
    layout: Layout,
    damage: Callable[[Path], None],
    command: str,
) -> None:
    path = write_first(tmp_path / "data" / layout.folder, known, layout)
    damage(path)
    (tmp_path / "a.ffe").write_text(spec(known.name, known))
    arguments = {
        "train": ["train", str(tmp_path / "a.ffe"), "--out", str(tmp_path / "run")],
        "verify": ["data", "verify", known.name],
    }[command]
    assert main([*arguments, "--data-dir", str(tmp_path / "data")]) == 2
    said = capsys.readouterr()
    assert path.name in said.err and "= help: " in said.err and "Traceback" not in said.err
    assert re.search(r"byte|bytes|is not there|cannot be read", said.err)
    assert not (tmp_path / "run").exists()


def test_a_damaged_gzip_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = CATALOGUE["fashion_mnist"]
    path = write_first(tmp_path / "fashion_mnist", known, known.layouts[0])
    zipped = gzip.compress(path.read_bytes())
    path.unlink()
    Path(f"{path}.gz").write_bytes(zipped[:-5])
    assert main(["data", "verify", "fashion_mnist", "--data-dir", str(tmp_path)]) == 2
    assert f"{path}.gz cannot be read: " in capsys.readouterr().err


def test_sound_files_that_are_not_those_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name in CATALOGUE["cifar10"].layouts[0].files:
        with (folder / name).open("wb") as file:
            file.truncate(RECORDS["cifar10"])
    arguments = ["data", "verify", "--data-dir", str(tmp_path)]
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert "cifar10, binary: 50,000 training and 10,000 test images" in said.out
    assert "50000 training images have the label 0, not 5,000" in said.err.replace("50,", "50")
    assert main([*arguments, "--json"]) == 1
    (record,) = json.loads(capsys.readouterr().out)["data"]
    assert record["train"] == 50_000 and len(record["files"]) == 6 and record["problems"]


def test_verifying_everything_names_each_damaged_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cifar100", "mnist"):
        known = CATALOGUE[name]
        cut(write_first(tmp_path / known.layouts[0].folder, known, known.layouts[0]))
    assert main(["data", "verify", "--data-dir", str(tmp_path), "--json"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out) == {"data": [], "damaged": ["cifar100", "mnist"]}
    assert "cifar100, mnist: files are missing or damaged" in said.err


def test_nothing_to_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify", "--data-dir", str(tmp_path)]) == 2
    assert "there is no data set in" in capsys.readouterr().err


def test_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = CATALOGUE["cifar100"]
    write_first(tmp_path / "cifar100", known, known.layouts[1])
    assert main(["data", "list", "--data-dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in CATALOGUE)
    assert f"download: 169 MB; here: {tmp_path / 'cifar100'}" in said
    assert main(["data", "list", "--data-dir", str(tmp_path), "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["data"]}
    assert rows["imagenet32"]["train"] == 1_281_167 and rows["mnist"]["folder"] == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("imagenet32", "ImageNet32 cannot be fetched: .* asks for a login"),
        ("cifar", "no data set is called 'cifar'"),
    ],
)
def test_what_cannot_be_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    assert main(["data", "fetch", name, "--data-dir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said) and "= help: " in said


def test_offline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that is not there stands for a network that is not."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert main(["data", "fetch", "cifar10", "--data-dir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "cifar-10-binary.tar.gz could not be downloaded" in said and "not reached" in said
    assert "Offline: get cifar-10-binary.tar.gz (170,052,171 bytes, SHA-256 c4a38c50" in said
    assert f"put it at {tmp_path / 'cifar-10-binary.tar.gz'}" in said
    assert not [*tmp_path.iterdir()]
