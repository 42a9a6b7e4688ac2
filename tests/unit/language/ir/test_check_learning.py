"""Parts reported as never learning have zero gradients, and learn with one sweep more."""

from __future__ import annotations

import pytest
import torch

import ffebm_dsl
from ffebm_dsl import SourceFile, SpecError
from ffebm_dsl.build import build
from ffebm_dsl.language.ir.check.infer_shapes import infer_shapes
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.lower import lower
from ffebm_dsl.language.ir.resolve.resolve_spec import resolve
from ffebm_dsl.language.syntax import parse

TEXT = """ffe 1.0
model m {
  input  x: vector(6)
  target y: vector(3)
  SETTINGS
  block b {
    feedforward u = x |> linear(4)
    energy hopfield {
      layer s1: [4] tanh
      layer s2: [4] tanh
      layer s3: [3] tanh
      u -> s1
      s1 <-> s2 : linear()
      s2 <-> s3 : linear()
    }
    out = s3
  }
  loss = mse(b, y)
}
"""
PLAIN = "relax free { sweeps = 50 } "


def map_gradient(settings: str) -> float:
    """The norm of the gradient of the map's weight, whatever the checks say of the spec."""
    source = SourceFile("t", TEXT.replace("SETTINGS", settings))
    log = Log(source)
    spec = infer_shapes(resolve(parse(source), {}, log), log)
    network = build(lower(spec), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 6, dtype=torch.float64, generator=generator)
    y = torch.randn(5, 3, dtype=torch.float64, generator=generator)
    network(x, y).loss.backward()
    labels = network.labels()
    (gradient,) = (
        p.grad for n, p in network.named_parameters() if labels[n] == "b.u.linear.weight"
    )
    assert gradient is not None
    return float(gradient.norm())


@pytest.mark.parametrize(
    ("never", "learns"),
    [
        (PLAIN + "relax nudged { sweeps = 0 }", PLAIN + "relax nudged { sweeps = 2 }"),
        (
            PLAIN + "relax nudged { order = synchronous  sweeps = 2 }",
            PLAIN + "relax nudged { order = synchronous  sweeps = 3 }",
        ),
        (
            PLAIN + "relax nudged { order = synchronous  sweeps = 1 }",
            PLAIN + "gradient implicit() relax nudged { sweeps = 0 }",
        ),
    ],
)
def test_what_never_learns_is_an_error(never: str, learns: str) -> None:
    with pytest.raises(SpecError) as caught:
        ffebm_dsl.compile_spec(SourceFile("t", TEXT.replace("SETTINGS", never)))
    assert [d.code for d in caught.value.diagnostics] == ["FFE4008"]
    assert map_gradient(never) == 0.0
    ffebm_dsl.compile_spec(SourceFile("t", TEXT.replace("SETTINGS", learns)))
    assert map_gradient(learns) > 1e-6


@pytest.mark.parametrize(("sweeps", "reaches"), [(1, False), (2, False), (3, True)])
def test_free_sweeps_must_carry_the_input_to_the_output(sweeps: int, reaches: bool) -> None:
    settings = f"relax free {{ order = synchronous  sweeps = {sweeps}  tolerance = 0 }}"
    text = TEXT.replace("SETTINGS", settings)
    network = ffebm_dsl.load(
        text.replace("order = synchronous", "order = synchronous  start = feedforward")
    )
    assert network is not None
    if reaches:
        network = ffebm_dsl.load(text)
        one, other = network(torch.zeros(1, 6)), network(torch.ones(1, 6))
        assert not torch.equal(one, other)
        return
    with pytest.raises(SpecError, match="FFE4008"):
        ffebm_dsl.load(text)
