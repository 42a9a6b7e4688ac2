"""``ffebm train``: output, files, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ffebm_dsl.cli.main import main
from ffebm_dsl.running.records import read

SPEC = """ffe 1.0
param width: int = 8 in [4, 8]

model small {
  input  x: image(1, 4, 4)
  target y: label(6)
  relax free   { sweeps = 6  tolerance = 1e-4 }
  relax nudged { sweeps = 3 }
  gradient ep(beta=0.2, estimator=centered)

  block b1 {
    feedforward u = x |> flatten() |> linear(width)
    energy hopfield {
      layer s1: [width] hard_sigmoid
      layer s2: [8]     hard_sigmoid
      u  ->  s1
      s1 <-> s2 : linear()
    }
    out = s2
  }
  readout logits = b1 |> linear(6)
  loss = cross_entropy(logits, y)
}

train {
  data      = npz("data.npz", batch=8)
  optimizer = adam(lr=1e-2)
  epochs = 2
}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a spec and its data."""
    generator = np.random.default_rng(0)
    arrays = {"x": ((4, 4), 256), "y": ((), 6)}
    np.savez(
        tmp_path / "data.npz",
        **{
            f"{name}_{split}": generator.integers(0, high, (size, *shape), np.uint8)
            for split, size in (("train", 20), ("test", 10))
            for name, (shape, high) in arrays.items()
        },
    )
    (tmp_path / "small.ffe").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*arguments: str) -> int:
    return main(["train", "--device", "cpu", "--threads", "1", *arguments])


def only_run(folder: Path) -> Path:
    (run,) = (folder / "runs").iterdir()
    return run


def test_a_run_and_its_summary(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("small.ffe", "--data-dir", ".") == 0
    run = only_run(folder)
    assert sorted(path.name for path in run.iterdir()) == [".lock", "ckpt", "run.h5", "spec.ffe"]
    shown = capsys.readouterr()
    lines = [line.partition(" test accuracy")[0] for line in shown.err.splitlines()]
    assert lines == ["epoch 1/2:", "epoch 2/2:"]
    accuracy = read(run / "run.h5")["eval"]["top1"][-1]
    assert shown.out.startswith(f"test accuracy {accuracy:.2%}, test loss ")
    assert shown.out.endswith(f"\nrun runs/{run.name}\n")


def test_json_is_one_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("small.ffe", "--data-dir", ".", "--json", "--out", "here") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["run"], result["status"]) == ("here", "finished")
    assert (result["epoch"], result["step"], result["samples"]) == (2, 6, 10)
    assert 0 <= result["top1"] <= result["top5"] <= 1 and result["sweeps"].keys() == {"b1"}


def test_options_reach_the_run(folder: Path) -> None:
    options = ["--seed", "7", "--set", "width=4", "--set", "optimizer.lr=0.5"]
    options += ["--dtype", "float64", "--max-steps", "1", "--quiet", "--out", "here"]
    assert train("small.ffe", "--data-dir", ".", *options) == 0
    record = read(folder / "here" / "run.h5")
    provenance = record["provenance"]
    assert set(provenance["override"]) == {"seed=7", "width=4", "optimizer.lr=0.5"}
    assert provenance["seed"] == 7 and provenance["dtype"] == "float64"
    assert record["train"]["learning_rate"].tolist() == [0.5]
    assert record.attributes["status"] == "stopped"


def test_resume_goes_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("small.ffe", "--data-dir", ".", "--out", "whole") == 0
    whole = capsys.readouterr().out.splitlines()[0]
    assert train("small.ffe", "--data-dir", ".", "--out", "parts", "--max-steps", "2") == 0
    assert main(["train", "--resume", "parts", "--max-steps", "4"]) == 0
    assert main(["train", "small.ffe", "--resume", "parts"]) == 0
    assert capsys.readouterr().out.splitlines()[-2] == whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no spec is given"),
        (["absent.ffe"], "absent.ffe"),
        (["small.ffe"], "needs a data directory"),
        (["small.ffe", "--data-dir", "absent"], "absent is not a folder"),
        (["small.ffe", "--data-dir", "runs"], "is not a folder"),
        (["small.ffe", "--data-dir", ".", "--out", "."], "exists and is not an empty folder"),
        (["small.ffe", "--data-dir", ".", "--out", "a/b"], "there is no folder a"),
        (["small.ffe", "--data-dir", "absent", "--out", "a/b"], "there is no folder a"),
        (["small.ffe", "--data-dir", "absent", "--out", "."], "exists and is not an empty folder"),
        (["small.ffe", "--data-dir", ".", "--out", "small.ffe/b"], "Not a directory"),
        (["small.ffe", "--data-dir", ".", "--out", "/proc/run"], "cannot create /proc/run"),
        (["small.ffe", "--data-dir", ".", "--device", "abacus"], "unknown device 'abacus'"),
        (["small.ffe", "--data-dir", ".", "--device", "cuda:99"], "cuda:99 is not available"),
        (["small.ffe", "--data-dir", ".", "--dtype", "float16"], "unknown dtype 'float16'"),
        (["small.ffe", "--data-dir", ".", "--threads", "0"], "threads"),
        (["small.ffe", "--data-dir", ".", "--max-steps", "-1"], "max-steps"),
        (["small.ffe", "--data-dir", ".", "--set", "depth=3"], "depth"),
        (["small.ffe", "--data-dir", ".", "--set", "width=5"], "width"),
        (["small.ffe", "--data-dir", ".", "--set", "width"], "not of the form KEY=VALUE"),
        (["small.ffe", "--seed", "1", "--set", "seed=2"], "twice"),
        (["--resume", "absent"], "is not a run directory"),
        (["--resume", "x", "--out", "y"], "exclude each other"),
    ],
)
def test_mistakes_end_with_2_and_leave_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    before = sorted(folder.iterdir())
    assert main(["train", *arguments]) == 2
    shown = capsys.readouterr()
    assert message in shown.err and "Traceback" not in shown.err and shown.out == ""
    assert sorted(folder.iterdir()) == before


def test_a_changed_spec_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("small.ffe", "--data-dir", ".", "--out", "here", "--max-steps", "1") == 0
    (folder / "small.ffe").write_text(SPEC.replace("lr=1e-2", "lr=1e-3"))
    assert main(["train", "small.ffe", "--resume", "here"]) == 2
    shown = capsys.readouterr().err
    assert "-  optimizer = adam(lr=1e-2)\n+  optimizer = adam(lr=1e-3)" in shown


def test_divergence_ends_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "small.ffe").write_text(SPEC.replace("hard_sigmoid", "relu"))
    options = ["--set", "optimizer.lr=1e30", "--out", "here"]
    assert train("small.ffe", "--data-dir", ".", *options) == 1
    assert "explodes" in capsys.readouterr().err
    assert read(folder / "here" / "run.h5").attributes["status"] == "diverged"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["small.ffe", "--keep", "0"], "keep"), (["small.ffe", "--save-every", "-1"], "save-every")],
)
def test_unfit_saving(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_saving_inside_an_epoch_is_remembered(folder: Path) -> None:
    options = ["--save-every", "0", "--keep", "4", "--max-steps", "2", "--out", "here"]
    assert train("small.ffe", "--data-dir", ".", *options) == 0
    assert main(["train", "--resume", "here", "--max-steps", "5"]) == 0
    names = sorted(path.stem for path in (folder / "here" / "ckpt").glob("*.safetensors"))
    assert [int(name.removeprefix("step-")) for name in names] == [2, 3, 4, 5]


def test_an_allowed_change_is_told_and_recorded(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("small.ffe", "--data-dir", ".", "--out", "here", "--max-steps", "1") == 0
    more = ["train", "--resume", "here", "--set", "epochs=3"]
    assert main(more) == 2
    assert "epochs was not set, is 3" in capsys.readouterr().err
    assert main([*more, "--allow-inexact"]) == 0
    assert "not bit for bit" in capsys.readouterr().err
    record = read(folder / "here" / "run.h5")
    assert record["segments"]["exact"].tolist() == [1, 0] and len(record["train"]) == 9
    assert main(["compare", "here"]) == 0
    assert capsys.readouterr().err == "note: not resumed exactly (docs/reliability.md): here\n"


def test_changes_are_allowed_on_resume_only(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "small.ffe", "--allow-inexact"]) == 2
    assert "goes with --resume" in capsys.readouterr().err


def test_names_in_a_file_do_not_steer_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import h5py

    with h5py.File(folder / "data.h5", "w") as file:
        file["\x1b[2J\rerror: none\u202e"] = [1]
    (folder / "small.ffe").write_text(SPEC.replace('npz("data.npz"', 'hdf5("data.h5"'))
    assert train("small.ffe", "--data-dir", ".") == 2
    shown = capsys.readouterr().err
    assert "it has: \ufffd[2J\ufffderror: none\ufffd" in shown
    assert not {"\x1b", "\r", "\u202e"} & set(shown)


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_spec_as_data_trains_like_its_text(form: str, folder: Path) -> None:
    """It goes on too: the run keeps the spec as text."""
    assert main(["convert", "small.ffe", f"small.{form}"]) == 0
    given = ["--quiet", "--data-dir", "."]
    assert train("small.ffe", *given, "--out", "text") == 0
    assert train(f"small.{form}", *given, "--out", "data", "--max-steps", "2") == 0
    assert train("--resume", "data", "--quiet") == 0
    tables = [read(folder / run / "run.h5")["train"] for run in ("text", "data")]
    assert list(tables[0]["step"]) == list(tables[1]["step"])
    assert list(tables[0]["loss"]) == list(tables[1]["loss"])
