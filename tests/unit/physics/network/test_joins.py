"""Maps that read several ports: values, and gradients along each path."""

from __future__ import annotations

import pytest
import torch

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.modules import Chain, Join
from ffebm_dsl.physics.network import HybridNetwork, Outcome
from ffebm_dsl.tools.comparison.spec_comparison import Verdict, compare
from tests.problems import normal

SPEC = """ffe 1.1
model m {
  input  x: vector(5)
  target y: label(3)
  relax free   { tolerance = 1e-13  sweeps = 500 }
  relax nudged { tolerance = 1e-13  sweeps = 500 }
  gradient GRADIENT
  feedforward h = x |> linear(4) |> tanh()
  block b1 {
    feedforward u = h |> concat(x) |> linear(6)
    energy hopfield {
      layer s1: [6] tanh
      layer s2: [4] tanh
      u  ->  s1
      s1 <-> s2 : linear()
    }
    out      = s2
    out skip = s1
  }
  block b2 {
    feedforward u = b1 |> add(h) |> linear(6) |> add(b1.skip)
    energy hopfield {
      layer s1: [6] tanh
      u  ->  s1
      s1 <-> s1 : linear(gain=0.3)
    }
    out = s1
  }
  readout logits = b2 |> concat(b1) |> concat(b1.skip) |> linear(3)
  loss = cross_entropy(logits, y)
}
"""


def network(gradient: str) -> HybridNetwork:
    text = SPEC.replace("GRADIENT", gradient)
    return build(compile_spec(SourceFile("m.ffe", text)).spec, dtype=torch.float64)


@pytest.mark.parametrize(
    ("gradient", "tolerance"), [("implicit(tolerance=1e-12)", 1e-7), ("ep(beta=1e-3)", 1e-5)]
)
def test_the_gradient_is_that_of_the_loss(gradient: str, tolerance: float) -> None:
    found, x, y = network(gradient), normal(3, 5), torch.tensor([0, 1, 2])
    directions = [normal(*p.shape, seed=k) for k, p in enumerate(found.parameters())]

    def loss(step: float) -> Outcome:
        moved = network(gradient)
        with torch.no_grad():
            for p, direction in zip(moved.parameters(), directions, strict=True):
                p.add_(step * direction)
        outcome = moved(x, y)
        assert isinstance(outcome, Outcome)
        return outcome

    outcome = found(x, y)
    assert isinstance(outcome, Outcome)
    outcome.loss.backward()
    step = 1e-5
    difference = (loss(step).loss - loss(-step).loss).item() / (2 * step)
    pairs = zip(found.parameters(), directions, strict=True)
    along = sum(float((p.grad * d).sum()) for p, d in pairs if p.grad is not None)
    assert along == pytest.approx(difference, rel=tolerance, abs=tolerance)


def test_a_block_reads_each_port_outside_of_it_once() -> None:
    first, second = network("ep()").blocks
    assert first.input_ports() == ["h", "x"]
    assert second.input_ports() == ["b1.out", "h", "b1.skip"]


def test_a_chain_takes_a_tensor_for_each_join() -> None:
    chain = Chain({"a": Join(torch.sub), "b": Join(torch.mul)})
    assert chain(*(torch.tensor(float(k)) for k in (7, 2, 3))) == 15


def test_what_ports_are_called_is_no_difference() -> None:
    renamed = SPEC.replace("b1", "first").replace("skip", "wide")
    specs = [
        compile_spec(SourceFile("m.ffe", text.replace("GRADIENT", "ep()"))).spec
        for text in (SPEC, renamed, renamed.replace("add(h)", "add(first)"))
    ]
    assert compare(specs[0], specs[1]).verdict is Verdict.SAME
    assert not compare(specs[0], specs[2]).verdict.same
