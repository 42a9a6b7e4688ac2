"""The gradients of trained networks against the exact ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.exactness import compared, row
from ffebm_dsl.cli.main import main

SPEC = """
ffe 1.1
model m {
  input  x: image(1, 8, 8)
  target y: label(10)
  init normal(std=0.15)
  relax free   { sweeps = %d  tolerance = 1e-9 }
  relax nudged { sweeps = 200 tolerance = 1e-9 }
  gradient ep(beta=1e-3)
  block b {
    feedforward u = x |> flatten() |> linear(8)
    energy hopfield {
      layer s1: [8] tanh
      layer s2: [8] tanh
      u -> s1
      s1 <-> s2 : linear()
    }
    out = s2
  }
  readout logits = b |> linear(10)
  loss = cross_entropy(logits, y)
}
train {
  data           = digits(batch=32)
  optimizer      = adam(lr=1e-2)
  epochs         = 1
  diagnose_every = 0
}
"""


def run_of(sweeps: int, folder: Path) -> Path:
    spec, run = folder / "spec.ffe", folder / "run"
    spec.write_text(SPEC.strip() % sweeps)
    assert main(["train", str(spec), "--quiet", "--out", str(run), "--max-steps", "3"]) == 0
    return run


def test_phases_that_converge_have_the_exact_gradient(tmp_path: Path) -> None:
    found = row(run_of(400, tmp_path), None, 8)
    for name in ("at these states", "at equilibrium"):
        assert found[name]["cosine"] == pytest.approx(1, abs=1e-6)
        assert found[name]["error"] < 1e-3
        assert found[name]["adjoint unconverged"] == 0
    assert found["as configured"]["free unconverged"] == 0


def test_a_free_phase_that_ends_on_the_way_shows_against_the_equilibrium(tmp_path: Path) -> None:
    found = row(run_of(1, tmp_path), None, 8)
    assert found["as configured"]["free unconverged"] == 8
    assert found["at equilibrium"]["free unconverged"] == 0
    assert found["at equilibrium"]["error"] > 0.03


def test_a_gradient_of_another_direction_or_length_is_an_error() -> None:
    reference = torch.tensor([1.0, 2.0, 3.0])
    assert compared(reference, reference)["error"] == 0
    assert compared(2 * reference, reference) == {"cosine": pytest.approx(1), "error": 1.0}
    assert compared(-reference, reference)["cosine"] == pytest.approx(-1)
