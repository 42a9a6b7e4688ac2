"""Steps and their ratios, on a small network."""

from __future__ import annotations

import torch

from benchmarks.measuring import batch_of, measure, step, summary
from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec

SPEC = """ffe 1.0
model m {
  input  x: image(1, 8, 8)
  target y: label(3)
  relax free   { sweeps = 7  tolerance = 0 }
  relax nudged { sweeps = 4 }
  block b {
    feedforward u = x |> conv2d(4, kernel=3, padding=1)
    energy hopfield {
      layer s1: [4, 8, 8] hard_sigmoid
      layer s2: [6, 4, 4] hard_sigmoid
      layer s3: [5]       identity
      u -> s1
      s1 <-> s2 : conv2d(kernel=3, padding=1) |> max_pool2d(2)
      s2 <-> s3 : flatten() |> linear()
    }
    out = s3
  }
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}
"""
SPEC_IR = compile_spec(SourceFile("m.ffe", SPEC)).spec


def test_a_ratio_is_taken_repeat_by_repeat() -> None:
    found = summary({"ep": [2.0, 30.0, 3.0], "floor": [1.0, 10.0, 2.0]})
    assert found["ep_over"] == {"floor": {"median": 2.0, "least": 1.5, "most": 3.0}}


def test_a_step_leaves_gradients() -> None:
    network = build(SPEC_IR)
    step(network, batch_of(SPEC_IR, 2))
    assert all(
        p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in network.parameters()
    )


def test_every_contender_is_timed_in_every_repeat() -> None:
    ticks = iter(range(1000))
    times = measure(SPEC_IR, 2, 3, estimators=True, clock=lambda: float(next(ticks)))
    assert set(times) == {"ep", "floor", "plain floor", "ep positive", "implicit", "unrolled"}
    assert all(seconds == [1.0] * 3 for seconds in times.values())
