"""The key `precision` of a spec: what it costs of each estimator's gradient, and what is said."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import ffebm_dsl
from ffebm_dsl.physics.energy import Precision
from ffebm_dsl.physics.energy.precision import Lowered
from ffebm_dsl.physics.network import HybridNetwork, in_full_precision, lowered, remarks
from ffebm_dsl.running.training.measures import gradient_row
from ffebm_dsl.tools.benchmarking import accuracy, gradients

SPEC = """ffe 1.0
model m {{
  input  x: image(2, 8, 8)
  target y: label(3)
  init normal(std=0.1)
  relax free   {{ sweeps = 30 {free} }}
  relax nudged {{ sweeps = 15 {nudged} }}
  gradient {gradient}
  block b1 {{
    feedforward u = x |> conv2d(6, kernel=3, padding=1)
    energy hopfield {{
      layer s1: [6, 8, 8] hard_sigmoid
      layer s2: [8, 4, 4] hard_sigmoid
      u -> s1
      s1 <-> s2 : conv2d(kernel=3, padding=1) |> avg_pool2d(2)
      s2 <-> s2 : conv2d(kernel=1)
    }}
    out = s2
  }}
  block b2 {{
    feedforward u = b1 |> flatten() |> linear(20)
    energy hopfield {{
      layer s1: [20] tanh
      layer s2: [9]  identity
      u -> s1
      s1 <-> s2 : linear()
    }}
    out = s2
  }}
  readout logits = b2 |> linear(3)
  loss = cross_entropy(logits, y)
}}
"""
ESTIMATORS = (
    "ep(beta=0.05)",
    "ep(beta=0.05, nudge=loss)",
    "ep(beta=0.05, estimator=positive)",
    "ep(beta=0.05, estimator=negative)",
    "implicit(sweeps=40)",
    "unrolled(sweeps=15)",
)
LOW = ("tf32", "bf16")
Y = torch.tensor([0, 1, 2, 0])


def network(
    precision: str, gradient: str = ESTIMATORS[0], keys: str = "tolerance = 0"
) -> HybridNetwork:
    asked = f"precision = {precision} {keys}"
    # Unrolled makes no nudged phase, and a spec that asks something of it is warned.
    nudged = "" if gradient.startswith("unrolled") else asked
    text = SPEC.format(free=asked, nudged=nudged, gradient=gradient)
    return ffebm_dsl.load(text, seed=0)


def images() -> Tensor:
    return torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("gradient", ESTIMATORS)
@pytest.mark.parametrize("precision", LOW)
def test_every_estimator_keeps_its_gradient(precision: str, gradient: str) -> None:
    found = accuracy(network(precision, gradient), images(), Y)
    assert found.as_set.cosine > 0.9999
    assert found.in_full.cosine > 0.99999
    unfelt = found.as_set == found.in_full
    assert not unfelt, "the phases were lowered"


@pytest.mark.parametrize("precision", LOW)
def test_plain_products_would_not_keep_it(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The comparison above can fail: rounding whole states drowns EP's contrast.
    net, x = network(f"{precision}(finish=1)", "ep(beta=0.005)"), images()
    with_increments = accuracy(net, x, Y).as_set

    def plain(self: Lowered, use: str, full: object, low: object, x: Tensor) -> Tensor:
        bias = getattr(self._full, "bias", None) if use == "forward" else None
        y = self._format.product(low, x)  # type: ignore[arg-type]
        return y if bias is None else y + bias.view(-1, *[1] * (y.dim() - 2))

    monkeypatch.setattr(Lowered, "_increment", plain)
    without = accuracy(net, x, Y).as_set
    assert without.relative_error > 5 * with_increments.relative_error
    assert precision == "tf32" or without.cosine < 0.9 < with_increments.cosine


@pytest.mark.parametrize("precision", LOW)
def test_to_a_tolerance_too(precision: str) -> None:
    net = network(precision, keys="tolerance = 1e-5")
    assert accuracy(net, images(), Y).as_set.cosine > 0.9999
    assert all((r.residual < 1e-5).all() for r in net.phases() if r.phase == "free")


def test_anderson_and_over_relaxation_go_on_in_both_stages() -> None:
    keys = "tolerance = 1e-5 solver = anderson(memory=3) over_relaxation = 1.2"
    assert accuracy(network("bf16", keys=keys), images(), Y).as_set.cosine > 0.9999


def test_float64_is_full() -> None:
    pairs = [
        gradients(ffebm_dsl.load(text, seed=0, dtype=torch.float64), images().double(), Y)
        for text in (
            SPEC.format(free=keys, nudged=keys, gradient=ESTIMATORS[0])
            for keys in ("precision = bf16", "precision = full")
        )
    ]
    assert all(torch.equal(a, b) for a, b in zip(*pairs, strict=True))


def test_full_precision_for_a_while() -> None:
    net, x = network("bf16"), images()
    full = gradients(network("full"), x, Y)
    assert lowered(net) == [Precision.BF16]
    with pytest.raises(KeyError), in_full_precision(net):
        assert lowered(net) == []
        assert all(torch.equal(a, b) for a, b in zip(gradients(net, x, Y), full, strict=True))
        raise KeyError
    assert lowered(net) == [Precision.BF16]


def test_a_diagnosis_compares_with_full_precision() -> None:
    net, x = network("bf16", "implicit(sweeps=40)"), images()
    net(x, Y).loss.backward()
    errors = gradient_row(net, x, Y)["relative_error"]
    # By the same estimator in the same precision there would be none.
    assert 1e-5 < max(errors) < 0.05


@pytest.mark.parametrize(
    ("precision", "dtype", "said"),
    [
        ("full", torch.float32, []),
        ("tf32", torch.float32, ["saves no time: this cpu does not multiply in tf32"]),
        ("tf32", torch.float64, ["no effect: a network in float64 relaxes in float64"]),
    ],
)
def test_what_comes_of_it_is_said(precision: str, dtype: torch.dtype, said: list[str]) -> None:
    found = remarks(network(precision).to(dtype))
    assert len(found) == len(said)
    for text, part in zip(found, said, strict=True):
        assert part in text and f"precision = {precision}" in text
