"""``ffebm check`` of a data set: what does not fit the model has a code and a place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ffebm_dsl.cli import check_data
from ffebm_dsl.cli.main import main

SPEC = """ffe 1.1
model small {
  input  x: image(1, 4, 4)
  target y: label(3)
  block b {
    feedforward u = x |> flatten() |> linear(6)
    energy hopfield {
      layer s1: [6] tanh(0.5)
      layer s2: [4] tanh(0.5)
      u -> s1
      s1 <-> s2 : linear()
    }
    out = s2
  }
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}
train {
  data      = npz("toy.npz", batch=4, validation=2)
  optimizer = adam(lr=1e-2)
  epochs    = 1
}
"""

Arrays = dict[str, np.ndarray[Any, Any]]


def arrays(**changed: Any) -> Arrays:
    generator = np.random.default_rng(0)
    found: Arrays = {}
    for split, size in (("train", 12), ("test", 5)):
        found[f"x_{split}"] = generator.random((size, 4, 4), np.float32)
        found[f"y_{split}"] = np.arange(size) % 3
    return {**found, **changed}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a spec, and the data that it names in ``there``."""
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("toy.ffe").write_text(SPEC)
    np.savez("there/toy.npz", **arrays())
    return tmp_path


def place(text: str) -> str:
    """Where ``text`` is in the spec, as messages say it."""
    line, of = next(
        (number, line) for number, line in enumerate(SPEC.splitlines(), 1) if text in line
    )
    return f"toy.ffe:{line}:{of.index(text) + 1}"


def test_data_that_fit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "toy.ffe", "--data-dir", "there", "--samples", "2"]) == 0
    shown = capsys.readouterr()
    first, *_ = shown.out.splitlines()
    assert first == ("data npz (toy.npz): 10 training, 2 validation, 5 test samples fit the model")
    assert "comparisons of 7 tensors agree" in shown.out
    assert main(["check", "toy.ffe", "--data-dir", "there", "--samples", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == {
        "name": "npz",
        "files": ["toy.npz"],
        "training_samples": 10,
        "validation_samples": 2,
        "test_samples": 5,
        "warnings": [],
    }


def test_data_without_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SPEC.replace("1, 4, 4", "1, 8, 8").replace("label(3)", "label(10)")
    text = text.replace("linear(3)", "linear(10)").replace('npz("toy.npz", batch=4, ', "digits(")
    (folder / "digits.ffe").write_text(text)
    assert main(["check", "digits.ffe", "--data-dir", "there", "--samples", "2"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "data digits: 1440 training, 2 validation, 355 test samples fit the model"


MISFITS = [
    (
        {"x_train": np.zeros((12, 3, 3), np.float32)},
        "FFE5002",
        "x_train of there/toy.npz has samples of shape [3, 3], but input `x` is image(1, 4, 4)",
        "image(1, 4, 4)",
    ),
    (
        {"y_test": np.arange(5)},
        "FFE5003",
        "y_test of there/toy.npz holds the label 3 at index 3, but target `y` is label(3)",
        "label(3)",
    ),
    (
        {"y_train": np.zeros((12, 3), np.float32)},
        "FFE5003",
        "y_train of there/toy.npz has shape [12, 3] and type float32, but target `y` is label(3)",
        "label(3)",
    ),
]


@pytest.mark.parametrize("command", ["check", "check --transients", "train"])
@pytest.mark.parametrize(("changed", "code", "message", "where"), MISFITS)
def test_what_does_not_fit_is_told_with_its_place(
    changed: Arrays,
    code: str,
    message: str,
    where: str,
    command: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    np.savez("there/toy.npz", **arrays(**changed))
    assert main([*command.split(), "toy.ffe", "--data-dir", "there"]) == 2
    shown = capsys.readouterr()
    told = shown.err.replace(f"{folder}/", "")
    assert f"error[{code}]: {message}\n" in told and place(where) in told
    assert shown.out == "" and not Path("runs").exists()
    assert main([*command.split(), "toy.ffe", "--data-dir", "there", "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    (diagnostic,) = answer["diagnostics"]
    assert not answer["ok"] and diagnostic["code"] == code
    assert diagnostic["message"].replace(f"{folder}/", "") == message


def test_hdf5(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("toy.ffe").write_text(SPEC.replace('npz("toy.npz"', 'hdf5("toy.h5"'))
    with h5py.File("there/toy.h5", "w") as file:
        for name, array in arrays(x_train=np.zeros((12, 5), np.float32)).items():
            file[name] = array
    assert main(["check", "toy.ffe", "--data-dir", "there"]) == 2
    assert "FFE5002" in capsys.readouterr().err


def test_the_usual_folder_is_looked_into(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = ["check", "toy.ffe", "--samples", "2", "--threads", "1"]
    assert main([*check, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] is None
    Path("data").mkdir()
    assert main(check) == 0
    assert "toy.npz" not in capsys.readouterr().out
    np.savez("data/toy.npz", **arrays(x_train=np.zeros((12, 3, 3), np.float32)))
    assert main(check) == 2
    assert "x_train of data/toy.npz has samples of shape [3, 3]" in capsys.readouterr().err
    # Of a large file it is said that it was not read.
    monkeypatch.setattr(check_data, "AT_MOST", 100)
    assert main(check) == 0
    said = "note: data/toy.npz is large and was not looked at; --data-dir data reads it\n"
    assert said in capsys.readouterr().err
    assert main([*check, "--data-dir", "data"]) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data-dir", "there", "--static"], "--static looks at the text only"),
        (["--data-dir", "nowhere"], "nowhere is not a folder"),
        (["--data-dir", "."], "there is no file toy.npz"),
    ],
)
def test_what_cannot_be_looked_at(
    options: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "toy.ffe", *options]) == 2
    assert message in capsys.readouterr().err


def test_suspicious_data_are_warned_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    far = arrays()["x_test"] * 1000
    np.savez("there/toy.npz", **arrays(x_test=far))
    assert main(["check", "toy.ffe", "--data-dir", "there", "--samples", "2"]) == 0
    assert "warning: x_test of there/toy.npz and x_train" in capsys.readouterr().err
