"""A spec in any format and at any kind of path is the same in Python and in every command."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

import ffebm_dsl
from ffebm_dsl import InputError, SourceFile
from ffebm_dsl.cli.main import main
from ffebm_dsl.language.diagnostics import AnyPath
from ffebm_dsl.language.ir import Compiled
from ffebm_dsl.running.records import read, write
from ffebm_dsl.running.training import Options, evaluate_run, resume
from ffebm_dsl.tools.report import load as load_run

TEXT = """ffe 1.0
param width: int = 4
model tiny {
  input x: vector(4)
  target y: label(2)
  block b1 {
    feedforward u = x |> linear(width)
    energy hopfield {
      layer s1: [width] hard_sigmoid
      u -> s1
    }
    out = s1
  }
  readout logits = b1 |> linear(2)
  loss = cross_entropy(logits, y)
}
train {
  data = npz("d.npz", batch=4)
  optimizer = sgd(lr=0.1)
  epochs = 1
}
"""
PACKAGES = (
    "ffebm_dsl",
    "ffebm_dsl.running.records",
    "ffebm_dsl.running.training",
    "ffebm_dsl.running.training.data",
    "ffebm_dsl.running.datasets.fetch",
    "ffebm_dsl.running.datasets.integrity",
    "ffebm_dsl.tools.checking",
    "ffebm_dsl.tools.report",
)
"""Where the functions are that a user calls with paths."""


class Place(os.PathLike[str]):
    """A path that is neither ``str`` nor ``Path``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


KINDS: tuple[Callable[[Path], AnyPath], ...] = (str, Path, Place)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spec in every form, data, and a run of one epoch."""
    import numpy as np

    folder = tmp_path_factory.mktemp("forms")
    (folder / "t.ffe").write_text(TEXT)
    for name in ("t.json", "t.yaml", "t.yml"):
        assert main(["convert", str(folder / "t.ffe"), str(folder / name)]) == 0
    x, y = np.random.default_rng(0).normal(size=(8, 4)).astype("f4"), np.arange(8) % 2
    np.savez(folder / "d.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    line = ["train", str(folder / "t.json"), "--data-dir", str(folder)]
    assert main([*line, "--out", str(folder / "run"), "--quiet"]) == 0
    return folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["t.ffe", "t.json", "t.yaml", "t.yml"])
def test_load_takes_every_form(folder: Path, name: str, kind: Callable[[Path], AnyPath]) -> None:
    expected = ffebm_dsl.load(TEXT, seed=3).state_dict()
    network = ffebm_dsl.load(kind(folder / name), seed=3)
    assert {name: t.shape for name, t in network.state_dict().items()} == {
        name: t.shape for name, t in expected.items()
    }
    assert all(torch.equal(network.state_dict()[name], t) for name, t in expected.items())


@pytest.mark.parametrize("name", ["t.ffe", "t.json", "t.yaml"])
def test_read_compile_load_are_of_one_mind(folder: Path, name: str) -> None:
    compiled = ffebm_dsl.compile_spec(ffebm_dsl.read_source(folder / name))
    assert compiled.spec.model == ffebm_dsl.compile_spec(SourceFile("t", TEXT)).spec.model
    given: tuple[SourceFile | Compiled | object, ...] = (
        ffebm_dsl.read_source(folder / name),
        compiled,
        compiled.spec,
    )
    one, *others = (ffebm_dsl.load(spec).state_dict() for spec in given)  # type: ignore[arg-type]
    assert all(torch.equal(one[key], other[key]) for other in others for key in one)


def test_values_that_cannot_be_given_are_refused(folder: Path) -> None:
    compiled = ffebm_dsl.compile_spec(SourceFile("t", TEXT))
    with pytest.raises(InputError, match="its own value of `width`"):
        ffebm_dsl.load(compiled, width=8)
    with pytest.raises(InputError, match="its own value of `width`"):
        ffebm_dsl.load(folder / "run", width=8)
    with pytest.raises(InputError, match="its own value of `seed`"):
        ffebm_dsl.load(folder / "run", seed=1)
    (folder / "empty").mkdir(exist_ok=True)
    with pytest.raises(InputError, match="is not a run directory"):
        ffebm_dsl.load(folder / "empty")


def test_a_run_is_loaded_with_its_trained_weights(folder: Path) -> None:
    network = ffebm_dsl.load(str(folder / "run"))
    fresh = ffebm_dsl.load(TEXT).state_dict()
    assert not torch.equal(
        network.state_dict()["readout.linear.weight"], fresh["readout.linear.weight"]
    )
    x, y = (torch.as_tensor(a) for a in _test_set(folder))
    network.eval()
    loss = torch.nn.functional.cross_entropy(network(x), y).item()
    evaluated = evaluate_run(folder / "run", "last", Options(), None, pytest.fail)
    assert loss == pytest.approx(evaluated.result.loss, rel=1e-6)
    assert ffebm_dsl.load(folder / "run", dtype=torch.float64)(x.double()).dtype == torch.float64


def _test_set(folder: Path) -> Iterator[object]:
    import numpy as np

    with np.load(folder / "d.npz") as arrays:
        yield from (arrays["x_test"], arrays["y_test"])


@pytest.mark.parametrize("kind", KINDS)
def test_runs_are_found_at_every_kind_of_path(
    folder: Path, kind: Callable[[Path], AnyPath], tmp_path: Path
) -> None:
    record = read(kind(folder / "run" / "run.h5"))
    write(record, kind(tmp_path / "copy.h5"))
    assert len(load_run(kind(tmp_path / "copy.h5")).record["train"]) == len(record["train"])
    assert load_run(kind(folder / "run")).name == "run"
    options = Options(data_dir=kind(folder))
    found = evaluate_run(kind(folder / "run"), "last", options, None, pytest.fail)
    assert found.chosen.step == 2
    session = resume(kind(folder / "run"), options, pytest.fail)
    session.lock.release()


@pytest.mark.parametrize("name", ["t.json", "t.yaml"])
def test_commands_take_every_form(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(folder / name)
    for stage in ("tokens", "ast", "resolved", "ir"):
        assert main(["show", path, "--after", stage]) == 0
        assert "b1" in capsys.readouterr().out
    assert main(["show", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["name"] == "tiny"
    assert main(["diff", path, str(folder / "t.ffe")]) == 0
    line = ["train", path, "--resume", str(folder / "run"), "--quiet"]
    assert main(line) == 0


def _modules() -> list[ModuleType]:
    names = {info.name for info in pkgutil.walk_packages(ffebm_dsl.__path__, "ffebm_dsl.")}
    assert names.issuperset(set(PACKAGES) - {"ffebm_dsl"})
    return [importlib.import_module(name) for name in PACKAGES]


def test_every_public_function_takes_every_kind_of_path() -> None:
    """Whatever of the parameters names ``Path`` names AnyPath instead."""
    for module in _modules():
        for name in getattr(module, "__all__", vars(module)):
            value = getattr(module, name)
            own = getattr(value, "__module__", "").startswith(module.__name__)
            if name.startswith("_") or not own or not inspect.isfunction(value):
                continue
            for parameter, annotation in value.__annotations__.items():
                narrow = "Path" in str(annotation).replace("AnyPath", "")
                assert parameter == "return" or not narrow, f"{module.__name__}.{name}"
