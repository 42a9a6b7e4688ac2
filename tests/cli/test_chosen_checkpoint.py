"""Every command says whose weights it used, and by default they are those that were tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ffebm_dsl
from ffebm_dsl.cli.main import main
from ffebm_dsl.running.records import read

SPEC = """ffe 1.1
model small {
  input  x: vector(5)
  target y: label(3)
  relax free   { sweeps = 6  tolerance = 1e-4 }
  relax nudged { sweeps = 3 }

  block b {
    feedforward u = x |> linear(8)
    energy hopfield {
      layer s1: [8] hard_sigmoid
      layer s2: [8] hard_sigmoid
      u  ->  s1
      s1 <-> s2 : linear()
    }
    out = s2
  }
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}

train {
  data      = npz("data.npz", batch=8, validation=10)
  optimizer = sgd(lr=1, momentum=0.9)
  epochs    = 5  seed = 2
}
"""

LAST = 20
"""The steps of a training."""


class Trained:
    """A folder with a run whose best weights are not its last, and what ``train`` printed."""

    def __init__(self, folder: Path) -> None:
        generator = np.random.default_rng(0)
        arrays: dict[str, Any] = {}
        for split, size in (("train", 40), ("test", 30)):
            arrays[f"x_{split}"] = generator.random((size, 5), np.float32)
            arrays[f"y_{split}"] = generator.integers(0, 3, size)
        np.savez(folder / "data.npz", **arrays)
        np.save(folder / "x.npy", arrays["x_test"])
        (folder / "small.ffe").write_text(SPEC)
        self.folder, self.run = folder, folder / "run"
        assert self.train("--out", str(self.run)) == 0
        table = read(self.run / "run.h5")["eval"]
        self.best = int(table["step"][table["top1"].argmax()])
        assert self.best < LAST

    def train(self, *more: str) -> int:
        spec, place = self.folder / "small.ffe", ["--data-dir", str(self.folder), "--quiet"]
        return main(["train", str(spec), "--threads", "1", *place, *more])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp("chosen"))


def answer(capsys: pytest.CaptureFixture[str], *line: object) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*map(str, line), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_eval_repeats_what_training_ended_with(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    again = answer(capsys, "train", "--resume", trained.run, "--quiet")
    assert (again["step"], again["weights"], again["which"]) == (LAST, trained.best, "best")
    found = answer(capsys, "eval", trained.run)
    assert (found["step"], found["which"]) == (trained.best, "best")
    assert found["checkpoint"].endswith(f"step-{trained.best:08d}.safetensors")
    figures = ("on", "samples", "loss", "top1", "sweeps")
    assert [found[name] for name in figures] == [again[name] for name in figures]
    last = answer(capsys, "eval", trained.run, "--checkpoint", "last")
    assert (last["step"], last["which"]) == (LAST, "last") and last["loss"] != found["loss"]
    named = answer(capsys, "eval", trained.run, "--checkpoint", found["checkpoint"])
    assert named == {**found, "which": "file"}


def test_train_says_whose_weights_were_tested(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--resume", str(trained.run), "--quiet"]) == 0
    assert f"(weights of step {trained.best}, the best by validation)" in capsys.readouterr().out
    assert trained.train("--out", str(tmp_path / "cut"), "--max-steps", "11") == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("validation accuracy ")
    assert first.endswith("(weights of step 11, the last)")
    settings = ["--set", "data.validation=0"]
    assert trained.train("--out", str(tmp_path / "tested"), *settings) == 0
    assert "weights of" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "the best by validation"),
        (["--checkpoint", "best"], "the best by validation"),
        (["--checkpoint", "last"], "the last"),
    ],
)
def test_eval_predict_and_export_say_it(
    options: list[str],
    reason: str,
    trained: Trained,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, samples, exported = str(trained.run), str(trained.folder / "x.npy"), tmp_path / "n"
    said = f"(step {LAST if reason == 'the last' else trained.best}, {reason})"
    capsys.readouterr()
    assert main(["eval", run, *options]) == 0
    assert f"{said}, 30 test samples" in capsys.readouterr().out
    assert main(["predict", run, samples, *options]) == 0
    shown = capsys.readouterr()
    assert said in shown.err and said not in shown.out
    target = exported.with_suffix(".safetensors")
    assert main(["export", run, "--out", str(target), *options]) == 0
    assert said in capsys.readouterr().err
    # They are the same weights, those that `load` takes too.
    assert main(["predict", str(target), samples]) == 0
    again = capsys.readouterr()
    assert (again.out, again.err) == (shown.out, "")
    checkpoint = options[1] if options else None
    loaded = ffebm_dsl.load(run, checkpoint=checkpoint).state_dict()
    weights = ffebm_dsl.load(target).state_dict()
    assert all(torch.equal(loaded[name], weights[name]) for name in weights)


def test_a_checkpoint_that_is_not_there_is_told(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"step-{LAST:08}.safetensors"  # without the folder
    assert main(["eval", str(trained.run), "--checkpoint", name]) == 2
    said = capsys.readouterr().err
    assert f"checkpoint {name} cannot be read: there is no such file" in said
    assert f"best, last or the path of a file in {trained.run / 'ckpt'}" in said
