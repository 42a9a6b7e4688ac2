"""Initialisers: variances, symmetries, and the same network in every precision."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Generator, Tensor, nn

from ffebm_dsl.build import build
from ffebm_dsl.constructs.ops.conv2d import Conv2d
from ffebm_dsl.constructs.ops.linear import Linear
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.registry import INITIALISERS
from ffebm_dsl.physics.energy import OpWeights
from ffebm_dsl.physics.network.initialise import initialise

K, VARIANCE = 3, 0.3


def kernels(diagonal: str) -> Tensor:
    """60,000 kernels of 3 x 3: sample variances are right to about a percent."""
    weight = torch.empty(300, 200, K, K, dtype=torch.float64)
    INITIALISERS["goe"].draw(
        weight, Generator().manual_seed(1), variance=VARIANCE, diagonal=diagonal
    )
    return weight


@pytest.mark.parametrize(("diagonal", "factor"), [("meant", 2), ("published", 8)])
def test_goe_kernels_are_symmetric_with_the_variances_that_it_names(
    diagonal: str, factor: int
) -> None:
    weight = kernels(diagonal)
    assert torch.equal(weight, weight.mT)
    variance = weight.var(dim=(0, 1))
    main = torch.eye(K, dtype=torch.bool)
    assert variance[main].numpy() == pytest.approx(factor * VARIANCE / K, rel=0.03)
    assert variance[~main].numpy() == pytest.approx(VARIANCE / K, rel=0.03)


def test_goe_leaves_dense_layers_to_the_default() -> None:
    drawn = [torch.empty(20, 30, dtype=torch.float64) for _ in range(2)]
    INITIALISERS["goe"].draw(drawn[0], Generator().manual_seed(3), variance=1.0, diagonal="meant")
    INITIALISERS["default"].draw(drawn[1], Generator().manual_seed(3))
    assert torch.equal(*drawn)


@pytest.mark.parametrize(
    ("name", "arguments", "std"),
    [
        ("default", {}, 1 / math.sqrt(3 * 400)),
        ("normal", {"std": 0.2}, 0.2),
        ("kaiming_normal", {"gain": 2.0}, 2 / math.sqrt(400)),
        ("kaiming_uniform", {"gain": 2.0}, 2 / math.sqrt(400)),
        ("xavier_normal", {"gain": 2.0}, 2 * math.sqrt(2 / (400 + 500))),
        ("xavier_uniform", {"gain": 2.0}, 2 * math.sqrt(2 / (400 + 500))),
        ("uniform", {"low": 1.0, "high": 3.0}, 1 / math.sqrt(3)),
        ("zeros", {}, 0.0),
    ],
)
def test_the_standard_deviation(name: str, arguments: dict[str, float], std: float) -> None:
    weight = torch.empty(500, 400, dtype=torch.float64)
    INITIALISERS[name].draw(weight, Generator().manual_seed(0), **arguments)
    assert float(weight.std()) == pytest.approx(std, rel=0.02)


def test_orthogonal_columns() -> None:
    weight = torch.empty(8, 4, dtype=torch.float64)
    INITIALISERS["orthogonal"].draw(weight, Generator().manual_seed(0), gain=3.0)
    assert torch.allclose(weight.T @ weight, 9 * torch.eye(4, dtype=torch.float64))


SPEC = """ffe 1.1
model m {{
  input x: image(1, 6, 6)
  target y: label(3)
  init goe(variance=0.1)
  block b {{
    feedforward u = x |> conv2d(2, 3, gain={0})
    energy hopfield {{
      layer s1: [2, 4, 4] hard_sigmoid
      layer s2: [4] tanh
      u -> s1
      x -> s2 : flatten() |> linear(gain={0})
      s1 <-> s2 : flatten() |> linear(gain={0}) {{ feedback = own }}
    }}
    gradient aep()
    out = s2
  }}
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}}
"""


def test_a_gain_multiplies_what_is_drawn_for_its_op() -> None:
    plain, loud = (
        build(compile_spec(SourceFile("g.ffe", SPEC.format(gain))).spec).state_dict()
        for gain in (1, 4)
    )
    assert sum("backward" in name for name in plain) == 1
    for name, weight in plain.items():
        amplified = "logits" not in name and "readout" not in name and "bias" not in name
        torch.testing.assert_close(loud[name], weight * (4 if amplified else 1))


INITS = """ffe 1.1
model m {
  input x: image(1, 6, 6)
  target y: label(3)
  init normal(std=0.1)
  block b {
    feedforward u = x |> conv2d(2, 3, init=zeros)
    energy hopfield {
      layer s1: [2, 4, 4] hard_sigmoid
      layer s2: [4] tanh
      u -> s1
      x -> s2 : flatten() |> linear(init=uniform(low=1, high=2))
      s1 <-> s2 : flatten() |> linear(init=uniform(low=1, high=2), gain=10) { feedback = own }
    }
    gradient aep()
    out = s2
  }
  readout logits = b |> linear(3, init=orthogonal)
  loss = cross_entropy(logits, y)
}
"""


def test_an_op_is_drawn_as_it_says_and_its_bias_as_ever() -> None:
    network = build(compile_spec(SourceFile("g.ffe", INITS)).spec)
    drawn = {network.labels()[name]: p.detach() for name, p in network.named_parameters()}
    assert (drawn.pop("b.u.conv2d.weight") == 0).all()
    within = {"b.x_s2.linear.weight": 1, "b.s1_s2.linear.weight": 10}
    for name, factor in (within | {"b.s1_s2.linear.backward_weight": 10}).items():
        weight = drawn.pop(name)
        assert factor <= weight.min() < weight.max() <= 2 * factor
    readout = drawn.pop("readout.linear.weight")
    torch.testing.assert_close(readout @ readout.T, torch.eye(3))
    assert {name.rpartition(".")[2] for name in drawn} == {"bias"}
    assert all(0 < bias.abs().max() <= 1 for bias in drawn.values())


def test_a_seed_is_the_same_network_in_every_precision() -> None:
    modules = [
        nn.ModuleList(
            [nn.Conv2d(2, 3, 3), OpWeights(Linear((4,), 5)), OpWeights(Conv2d((2, 8, 8), 3, 3))]
        )
        for _ in range(2)
    ]
    double, single = modules[0].double(), modules[1].float()
    for module in (double, single):
        draw = partial(INITIALISERS["goe"].draw, variance=1.0, diagonal="meant")
        initialise(module, draw, Generator().manual_seed(5))
    for a, b in zip(double.parameters(), single.parameters(), strict=True):
        assert torch.equal(a.float(), b)
