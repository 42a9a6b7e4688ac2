"""``ffebm eval``: results of a run, and refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.running.records import read

SPEC = """ffe 1.0
param width: int = 8 in [4, 8]

model small {
  input  x: vector(5)
  target y: label(3)
  relax free   { sweeps = 6  tolerance = 1e-4 }
  relax nudged { sweeps = 3 }
  gradient ep(beta=0.2, estimator=centered)

  block b1 {
    feedforward u = x |> linear(width)
    energy hopfield {
      layer s1: [width] hard_sigmoid
      layer s2: [8]     hard_sigmoid
      u  ->  s1
      s1 <-> s2 : linear()
    }
    out = s2
  }
  readout logits = b1 |> linear(3)
  loss = cross_entropy(logits, y)
}

train {
  data      = hdf5("data.h5", batch=8)
  optimizer = sgd(lr=0.1, momentum=0.9)
  epochs = 4
}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import h5py

    folder = tmp_path_factory.mktemp("eval")
    generator = np.random.default_rng(0)
    with h5py.File(folder / "data.h5", "w") as file:
        for split, size in (("train", 20), ("test", 10)):
            file[f"x_{split}"] = generator.random((size, 5), np.float32)
            file[f"y_{split}"] = generator.integers(0, 3, size)
    (folder / "small.ffe").write_text(SPEC)
    arguments = [str(folder / "small.ffe"), "--data-dir", str(folder), "--quiet", "--threads", "1"]
    arguments += ["--out", str(folder / "run"), "--set", "width=4", "--device", "cpu"]
    assert main(["train", *arguments]) == 0
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may damage; the data stay where they were."""
    shutil.copytree(trained / "run", tmp_path / "run")
    return tmp_path


def evaluate(*arguments: object) -> int:
    return main(["eval", *map(str, arguments)])


def test_the_last_evaluation_is_repeated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(folder / "run", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    table = read(folder / "run" / "run.h5")["eval"]
    assert (result["step"], result["samples"]) == (12, 10)
    assert (result["top1"], result["loss"]) == (table["top1"][-1], table["loss"][-1])
    assert result["top5"] is None
    assert result["sweeps"]["b1"] == table["sweeps"][-1, 0]


def test_the_text_names_every_figure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(folder / "run", "--checkpoint", "best", "--batch", "3") == 0
    shown = capsys.readouterr().out
    for part in ("10 test samples", "top-1 accuracy", "loss ", "block b1: "):
        assert part in shown
    assert "top-5" not in shown


def test_a_checkpoint_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "run" / "ckpt" / "step-00000009.safetensors"
    assert evaluate(folder / "run", "--checkpoint", path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["step"] == 9


def test_other_data_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import h5py

    with h5py.File(folder / "data.h5", "w") as file:
        for split in ("train", "test"):
            file[f"x_{split}"] = np.zeros((2, 5), np.float32)
            file[f"y_{split}"] = np.zeros(2, int)
    assert evaluate(folder / "run", "--data-dir", folder) == 0
    assert "not those that the run was trained with" in capsys.readouterr().err


@pytest.mark.parametrize("checkpoint", ["absent.safetensors", "run.h5"])
def test_no_such_checkpoint(
    folder: Path, capsys: pytest.CaptureFixture[str], checkpoint: str
) -> None:
    assert evaluate(folder / "run", "--checkpoint", folder / "run" / checkpoint) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_changed_spec(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "run" / "spec.ffe").write_text(SPEC.replace("sweeps = 6", "sweeps = 7"))
    assert evaluate(folder / "run") == 2
    assert "is not the spec that checkpoint" in capsys.readouterr().err


def test_a_damaged_checkpoint_gives_way(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "run" / "ckpt" / "step-00000012.safetensors").write_bytes(b"damaged")
    assert evaluate(folder / "run", "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["step"] == 9
    assert "does not fit its checksum" in shown.err


def test_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(tmp_path) == 2
    assert "is not a run directory" in capsys.readouterr().err


def test_the_example_reads_the_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import runpy

    example = Path(__file__).parents[2] / "examples" / "read_record.py"
    monkeypatch.setattr("sys.argv", [str(example), str(folder / "run" / "run.h5")])
    runpy.run_path(str(example), run_name="__main__")
    shown = capsys.readouterr().out
    assert "mean loss of the batch" in shown and "b1.free" in shown and "12 steps" in shown
