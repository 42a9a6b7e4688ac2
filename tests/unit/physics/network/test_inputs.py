"""Networks with several inputs: accepted values, and gradients to each input."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.network import HybridNetwork, Outcome
from ffebm_dsl.tools.comparison.spec_comparison import Verdict, compare
from tests.problems import normal

SPEC = """ffe 1.1
model m {
  input  seen: image(2, 4, 3)
  input  told: vector(5)
  target y: label(3)
  relax free   { tolerance = 1e-13  sweeps = 500 }
  relax nudged { tolerance = 1e-13  sweeps = 500 }
  gradient GRADIENT
  block b1 {
    feedforward u = seen |> conv2d(3, kernel=3, padding=1)
    feedforward v = told |> linear(6)
    energy hopfield {
      layer s1: [3, 4, 3] tanh
      layer s2: [6]       tanh
      u  ->  s1
      v  ->  s2
      s1 <-> s2 : flatten() |> linear(gain=0.5)
    }
    out = s2
  }
  block b2 {
    feedforward u = b1 |> concat(told) |> linear(4)
    energy hopfield {
      layer s1: [4] tanh
      u  ->  s1
      s1 <-> s1 : linear(gain=0.3)
    }
    out = s1
  }
  readout logits = b2 |> linear(3)
  loss = cross_entropy(logits, y)
}
"""
ROUTES = [("implicit(tolerance=1e-12)", 1e-7), ("ep(beta=1e-3)", 1e-5)]


def network(gradient: str = "implicit()", text: str = SPEC) -> HybridNetwork:
    text = text.replace("GRADIENT", gradient)
    return build(compile_spec(SourceFile("m.ffe", text)).spec, dtype=torch.float64)


def batch() -> tuple[Tensor, Tensor, Tensor]:
    return normal(3, 2, 4, 3), normal(3, 5, seed=1), torch.tensor([0, 1, 2])


def loss_of(found: HybridNetwork, tensors: Sequence[Tensor]) -> Tensor:
    outcome = found(*tensors)
    assert isinstance(outcome, Outcome)
    return outcome.loss


@pytest.mark.parametrize(("gradient", "tolerance"), ROUTES)
def test_gradients_of_weights_and_inputs_are_those_of_the_loss(
    gradient: str, tolerance: float
) -> None:
    found, (seen, told, y) = network(gradient), batch()
    leaves = [seen.requires_grad_(), told.requires_grad_(), *found.parameters()]
    gradients = torch.autograd.grad(loss_of(found, (seen, told, y)), leaves)
    step = 1e-5
    for leaf, of_leaf in zip(leaves, gradients, strict=True):
        direction = normal(*leaf.shape, seed=2)
        sides = []
        for side in (step, -step):
            with torch.no_grad():
                leaf.add_(side * direction)
                sides.append(float(loss_of(found, (seen, told, y))))
                leaf.sub_(side * direction)
        difference = (sides[0] - sides[1]) / (2 * step)
        along = float((of_leaf * direction).sum())
        assert along == pytest.approx(difference, rel=tolerance, abs=tolerance)
        assert abs(difference) > 100 * tolerance


def test_inputs_are_taken_in_their_order_and_the_target_behind_or_by_name() -> None:
    found, (seen, told, y) = network(), batch()
    assert list(found.inputs) == ["seen", "told"]
    assert found(seen, told).shape == (3, 3)
    assert torch.equal(found(seen, told, y).loss, found(seen, told, target=y).loss)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ((0,), "takes 2 inputs, seen, told, followed by a target, and gets 1 tensors"),
        ((0, 1, 2, 2), "gets 4 tensors"),
        ((1, 0), r"input seen has shape \[3, 5\], and must be \(batch, 2, 4, 3\)"),
        ((0, 2, 1), r"input told has shape \[3\], and must be \(batch, 5\)"),
    ],
)
def test_what_does_not_fit_is_refused(chosen: tuple[int, ...], message: str) -> None:
    tensors = batch()
    with pytest.raises(ValueError, match=message):
        network()(*(tensors[i] for i in chosen))


def test_batches_of_two_sizes_are_refused() -> None:
    seen, told, _ = batch()
    with pytest.raises(ValueError, match="told has a batch of 2, its first input one of 3"):
        network()(seen, told[:2])


def test_networks_whose_inputs_change_places_are_not_the_same() -> None:
    text = SPEC.replace("GRADIENT", "implicit()").replace("image(2, 4, 3)", "vector(5)")
    text = text.replace("seen |> conv2d(3, kernel=3, padding=1)", "seen |> linear(6)")
    text = text.replace("[3, 4, 3] tanh", "[6]       tanh").replace("flatten() |> ", "")
    swapped = text.replace("= b1 |> concat(told)", "= b1 |> concat(seen)")
    renamed = text.replace("seen", "first").replace("told", "second")
    one, other, same = (
        compile_spec(SourceFile("m.ffe", found)).spec for found in (text, swapped, renamed)
    )
    assert compare(one, same).verdict is Verdict.SAME
    differs = compare(one, other)
    assert differs.verdict is Verdict.DIFFERENT
    said = [(found.a.has, found.b.has) for found in differs.network]
    assert said == [("from input 2: concat |> linear(4)", "from the input: concat |> linear(4)")]
