"""Rounding is amplified in blocks that do not settle, and not in others."""

from __future__ import annotations

import pytest
import torch

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.network.amplification import LARGE, Amplification, amplification
from ffebm_dsl.tools.checking.problem import Problem, make_problem

SPEC = """ffe 1.0
model m {
  input  x: image(1, 8, 8)
  target y: label(3)
  init normal(std=STD)
  relax free   { sweeps = 60  tolerance = 0 }
  relax nudged { sweeps = 5 }
  block b {
    energy hopfield {
      layer s1: [1, 8, 8] hard_sigmoid
      layer s2: [8, 4, 4] tanh
      x  ->  s1
      s1 <-> s2 : conv2d(8, kernel=3, padding=1) |> max_pool2d(2)
      s2 <-> s2 : conv2d(kernel=3, padding=1)
    }
    out = s2
  }
  readout logits = b |> flatten() |> linear(3)
  loss = cross_entropy(logits, y)
}
"""


UNDECIDED = """ffe 1.0
model m {
  input  x: vector(2)
  target y: vector(1)
  relax free   { sweeps = 90  tolerance = 0 }
  block b {
    feedforward u = x |> linear(1, bias=false)
    energy hopfield {
      layer s: [1] tanh
      u -> s
      s <-> s : linear(bias=false)
    }
    out = s
  }
  loss = mse(b, y)
}
"""


def problem(std: str) -> Problem:
    spec = compile_spec(SourceFile("m.ffe", SPEC.replace("STD", std))).spec
    return make_problem(spec, samples=2, seed=0, sweeps=200)


def test_a_block_that_settles_amplifies_little_and_keeps_its_weights() -> None:
    found = problem("0.05")
    before = [p.clone() for p in found.network.parameters()]
    (row,) = amplification(found.network, found.gradients_with, 0)
    assert row.block == "b" and 0.1 < row.outputs < 100 and 0.1 < row.gradients < LARGE
    assert not row.large
    assert all(torch.equal(a, b) for a, b in zip(before, found.network.parameters(), strict=True))


def test_a_block_whose_choice_hangs_on_rounding_amplifies_far() -> None:
    """One unit that leaves 0 for 1 or -1, whichever the difference of two equal weights says."""
    spec = compile_spec(SourceFile("m.ffe", UNDECIDED)).spec
    found = make_problem(spec, samples=1, seed=0, sweeps=200)
    found.inputs = (torch.tensor([[1.0, 1.0 - 2**-50]], dtype=torch.float64),)
    weights = {"b.u.linear.weight": [[1.0, -1.0]], "b.s_s.linear.weight": [[1.0]]}
    labels = found.network.labels()
    with torch.no_grad():
        for name, parameter in found.network.named_parameters():
            parameter.copy_(torch.tensor(weights[labels[name]]))
    (row,) = amplification(found.network, found.gradients_with, 0)
    assert row.large and row.outputs > 1e11


@pytest.mark.parametrize(
    ("outputs", "gradients", "large"), [(2.0, 9e3, False), (2.0, 2e4, True), (2e4, 1.0, True)]
)
def test_either_factor_counts(outputs: float, gradients: float, large: bool) -> None:
    assert Amplification("b", outputs, gradients).large == large
