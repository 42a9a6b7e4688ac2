"""Nudges of a random sign: drawn for every call, and unbiased to first order."""

from __future__ import annotations

import pytest
import torch

from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.aep import AsymmetricPropagation
from ffebm_dsl.constructs.gradients.ep import RANDOM, EquilibriumPropagation
from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.interfaces import ContrastiveEstimator
from tests.problems import block, chain_energy, normal

BETA = 0.3
DRIVE = normal(3, 6, seed=3)


def gradient(estimator: ContrastiveEstimator, seed: int = 0) -> torch.Tensor:
    core = block(chain_energy((6, 5, 4), Tanh(0.5)), estimator)
    torch.manual_seed(seed)
    loss = torch.sin(core(DRIVE)).sum()
    found = torch.autograd.grad(loss, list(core.energy.parameters()))
    return torch.cat([g.flatten() for g in found])


def wrapped(variant: str, *, transposed: bool) -> ContrastiveEstimator:
    plain = EquilibriumPropagation(BETA, variant)
    return AsymmetricPropagation(plain) if transposed else plain


@pytest.mark.parametrize("transposed", [False, True], ids=["ep", "aep"])
def test_every_call_is_one_of_the_one_sided_estimates(transposed: bool) -> None:
    sides = [gradient(wrapped(v, transposed=transposed)) for v in ("positive", "negative")]
    assert not torch.allclose(*sides)
    drawn = [gradient(wrapped(RANDOM, transposed=transposed), seed) for seed in range(12)]
    found = [min((0, 1), key=lambda k: float((g - sides[k]).norm())) for g in drawn]
    assert set(found) == {0, 1}
    for g, k in zip(drawn, found, strict=True):
        assert torch.allclose(g, sides[k], rtol=1e-10)
    again = gradient(wrapped(RANDOM, transposed=transposed), 5)
    assert torch.equal(again, drawn[5])


def test_its_mean_is_the_centered_estimate() -> None:
    """Of the two signs; what is left of the bias is of second order."""
    plain = EquilibriumPropagation(BETA, RANDOM)
    pair = [gradient(plain.drawn(seed)) for seed in (0, 1)]
    centered = gradient(EquilibriumPropagation(BETA))
    assert torch.allclose((pair[0] + pair[1]) / 2, centered, rtol=1e-9, atol=1e-13)
    assert (plain.drawn(0).direction, plain.drawn(1).direction) == (1.0, -1.0)


def test_scaled_it_keeps_its_random_sign() -> None:
    scaled = EquilibriumPropagation(BETA, RANDOM).reaching(0.1)
    assert scaled.random and {scaled.drawn(k).nudges for k in (0, 1)} == {(0.1,), (-0.1,)}
    assert not EquilibriumPropagation(BETA).random


def test_a_strength_that_is_measured_cannot_have_it() -> None:
    text = """ffe 1.1
    model m {
      input x: vector(4)
      target y: label(3)
      gradient ep(beta=auto, estimator=random)
      block b {
        feedforward u = x |> linear(5)
        energy hopfield {
          layer s1: [5] tanh
          u -> s1
        }
        out = s1
      }
      readout logits = b |> linear(3)
      loss = cross_entropy(logits, y)
    }"""
    with pytest.raises(SpecError) as caught:
        compile_spec(SourceFile("m.ffe", text))
    assert [d.code for d in caught.value.diagnostics] == ["FFE1023"]
    assert compile_spec(SourceFile("m.ffe", text.replace("auto", "0.2"))).spec
