"""The public names of ``import ffebm_dsl``, and ``load``."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
import torch

import ffebm_dsl
from ffebm_dsl import InputError, SpecError

SPEC = Path(__file__).parents[1] / "specs" / "small" / "digits.ffe"

TINY = """
ffe 1.0
param width: int = 3 in [3, 5]
param bias: bool = true
model tiny {
  input x: vector(4)
  target y: label(2)
  block b1 {
    feedforward u = x |> linear(width, bias=bias)
    energy hopfield {
      layer s1: [width] hard_sigmoid
      u -> s1
    }
    out = s1
  }
  readout logits = b1 |> linear(2)
  loss = cross_entropy(logits, y)
}
"""


def modules() -> list[ModuleType]:
    names = [info.name for info in pkgutil.walk_packages(ffebm_dsl.__path__, "ffebm_dsl.")]
    return [importlib.import_module(name) for name in names if not name.endswith("__main__")]


def test_every_exported_name_exists() -> None:
    for module in (ffebm_dsl, *modules()):
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{module.__name__}.{name}"


def test_what_is_public_is_exported() -> None:
    """``__all__`` is complete: whatever else the package binds is a module, or private."""
    bound = {
        name
        for name, value in vars(ffebm_dsl).items()
        if getattr(value, "__module__", "").startswith("ffebm_dsl")
        and not name.startswith("_")
        and not inspect.ismodule(value)
    }
    assert bound | set(ffebm_dsl._PARTS) == set(ffebm_dsl.__all__) - {"__version__"}


def test_parts_are_imported_when_they_are_asked_for() -> None:
    code = (
        "import sys, ffebm_dsl; assert 'torch' not in sys.modules;"
        "assert 'EnergyBlock' in dir(ffebm_dsl);"
        "from ffebm_dsl import Tanh; assert 'torch' not in sys.modules;"
        "ffebm_dsl.EnergyBlock; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="EnergyBlok"):
        _ = ffebm_dsl.EnergyBlok  # type: ignore[attr-defined]


def test_what_is_public_is_documented() -> None:
    for name in ffebm_dsl.__all__:
        value = getattr(ffebm_dsl, name)
        if callable(value):
            assert inspect.getdoc(value), name


def test_the_version_is_that_of_the_distribution() -> None:
    assert metadata.version("ffebm") == ffebm_dsl.__version__


def test_load_gives_a_module() -> None:
    network = ffebm_dsl.load(SPEC)
    assert isinstance(network, torch.nn.Module)
    assert all(p.dtype == torch.float32 for p in network.parameters())


def test_load_takes_text_and_parameters() -> None:
    network = ffebm_dsl.load(TINY, width=5, bias=False, dtype=torch.float64)
    x, y = torch.randn(7, 4, dtype=torch.float64), torch.zeros(7, dtype=torch.long)
    logits = network(x)
    assert logits.shape == (7, 2)
    torch.nn.functional.cross_entropy(logits, y).backward()
    shapes = {tuple(p.shape) for p in network.parameters() if p.grad is not None}
    assert shapes == {(5, 4), (2, 5), (2,)}


def test_load_draws_from_its_seed_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = (ffebm_dsl.load(TINY, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_load_refuses_unknown_parameters_and_values() -> None:
    with pytest.raises(SpecError, match="width"):
        ffebm_dsl.load(TINY, widht=5)
    with pytest.raises(SpecError, match="4"):
        ffebm_dsl.load(TINY, width=4)


def test_load_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.ffe"):
        ffebm_dsl.load(tmp_path / "none.ffe")
