"""Couplings with nonlinear ops: softmax pooling, and an op with a forward pass only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.aep import AsymmetricPropagation
from ffebm_dsl.constructs.gradients.ep import HolomorphicPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.constructs.ops.conv2d import Conv2d
from ffebm_dsl.constructs.ops.max_pool2d import MaxPool2d
from ffebm_dsl.constructs.ops.softmax_pool2d import SoftmaxPool2d
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.registry import INITIALISERS
from ffebm_dsl.physics.energy import Coupling, Drive, HopfieldEnergy, chain_derivatives
from ffebm_dsl.physics.interfaces import ContrastiveEstimator, Layer, NonlinearOp, inner
from ffebm_dsl.physics.network.initialise import initialise
from ffebm_dsl.tools.checking import CheckSettings, check
from ffebm_dsl.tools.checking.check_report import CheckReport
from ffebm_dsl.tools.checking.energy_promises import energy_promises
from tests.problems import block, convolutional_energy, generator, normal
from tests.unit.physics.gradients.test_complex_phases import gradient, observed_orders

IMAGE = (2, 6, 6)


def pooled_energy() -> HopfieldEnergy:
    """Softmax pooling behind a convolution; its curvature is far from negligible."""
    energy = with_feedback(1.0)
    initialise(energy, partial(INITIALISERS["normal"].draw, std=0.4), generator())
    return energy


def with_feedback(feedback: float | str) -> HopfieldEnergy:
    ops = {
        "conv2d": Conv2d(IMAGE, 3, 3, padding=1),
        "softmax_pool2d": SoftmaxPool2d((3, 6, 6), 3, stride=2, padding=1, temperature=0.3),
    }
    layers = [Layer("s1", IMAGE, Tanh(0.5)), Layer("s2", (3, 3, 3), Tanh(0.5))]
    coupling = Coupling(0, 1, ops, feedback=feedback)
    return HopfieldEnergy(layers, {"s1_s2": coupling}, {"u": Drive(0)}).double()


def doubly_pooled() -> HopfieldEnergy:
    """A choice and a nonlinear op in one chain."""
    ops = {
        "max_pool2d": MaxPool2d(IMAGE, 2, stride=2),
        "conv2d": Conv2d((2, 3, 3), 3, 3, padding=1),
        "softmax_pool2d": SoftmaxPool2d((3, 3, 3), 2, stride=1),
    }
    layers = [Layer("s1", IMAGE, Tanh()), Layer("s2", (3, 2, 2), Tanh())]
    return HopfieldEnergy(layers, {"s1_s2": Coupling(0, 1, ops)}, {"u": Drive(0)}).double()


class Squashed(NonlinearOp):
    """An op that says no more than it must: its forward pass."""

    in_shape = out_shape = IMAGE

    def forward(self, x: Tensor) -> Tensor:
        return x.tanh() * x.mean((2, 3), keepdim=True)


def squashed() -> HopfieldEnergy:
    layers = [Layer("s1", IMAGE, Tanh()), Layer("s2", IMAGE, Tanh())]
    ops = {"squashed": Squashed(), "conv2d": Conv2d(IMAGE, 2, 3, padding=1)}
    return HopfieldEnergy(layers, {"s1_s2": Coupling(0, 1, ops)}, {"u": Drive(0)}).double()


ENERGIES: dict[str, Callable[[], HopfieldEnergy]] = {
    "pooled": pooled_energy,
    "feedback": lambda: with_feedback(0.4),
    "way back of its own": lambda: with_feedback("own"),
    "choice and softmax": doubly_pooled,
    "forward pass alone": squashed,
}


def broken(energy: HopfieldEnergy) -> set[str]:
    return {p.text for p in energy_promises(energy, [IMAGE], generator()) if not p.kept}


@pytest.mark.parametrize("name", ENERGIES)
def test_the_energy_keeps_its_promises(name: str) -> None:
    assert broken(ENERGIES[name]()) == set()


@pytest.mark.parametrize("name", ["pooled", "way back of its own"])
def test_without_the_second_derivative_they_are_broken(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NonlinearOp, "hvp", lambda self, dx, y, x: torch.zeros_like(x))
    assert broken(ENERGIES[name]()) == {
        "the adjoint dynamics are linearised at the state",
        "displacements act through the transpose",
        "response_gradient() is the mixed derivative",
    }


def test_a_layer_in_front_of_a_nonlinear_op_reads_its_own_state() -> None:
    assert (0, 0) in pooled_energy().edges
    assert (0, 0) not in convolutional_energy().edges


def test_points_follow_the_state_where_choices_are_kept() -> None:
    coupling = doubly_pooled().couplings["s1_s2"]
    chain = coupling.bound(coupling.weights())
    a, b = normal(2, *IMAGE).requires_grad_(), normal(2, 3, 2, 2, seed=1)
    other = normal(2, *IMAGE, seed=2)
    choices = chain.routing(chain.forward(other)[1])
    value, points = chain.forward(a, choices)
    assert len(choices) == 1 and torch.equal(chain.routing(points)[0], choices[0])
    assert not torch.allclose(value, chain.forward(a)[0])
    (expected,) = torch.autograd.grad(inner(value, b).sum(), a)
    assert torch.allclose(chain.adjoint(b, points), expected, atol=1e-12)


# Estimators ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "wrap"), [(2, None), (4, None), (4, AsymmetricPropagation)], ids=["2", "4", "aep"]
)
def test_order_of_the_bias_in_beta(points: int, wrap: Any) -> None:
    core, drive = block(pooled_energy()), normal(1, *IMAGE, seed=3)

    def make(beta: float) -> ContrastiveEstimator:
        plain = HolomorphicPropagation(beta, points)
        return plain if wrap is None else AsymmetricPropagation(plain)

    found = observed_orders(core, drive, make, 0.1)
    assert abs(found[-1] - points) < 0.2, found


def test_implicit_is_what_autograd_finds_through_the_sweeps() -> None:
    core, drive = block(pooled_energy()), normal(1, *IMAGE, seed=3)
    implicit = gradient(core, drive, Implicit(1e-13, 500))
    unrolled = gradient(core, drive, Unrolled())
    assert float((implicit - unrolled).norm() / unrolled.norm()) < 1e-6


def test_what_is_not_holomorphic_is_named() -> None:
    core, drive = block(squashed()), normal(2, *IMAGE, seed=3)
    with pytest.raises(ValueError, match="Squashed is not holomorphic"):
        gradient(core, drive, HolomorphicPropagation(0.1, 4))


def test_a_drive_takes_no_nonlinear_op() -> None:
    with pytest.raises(ValueError, match="ops of a drive are linear"):
        Drive(0, {"squashed": Squashed()})


TEXT = """ffe 1.1
model pooled {
  input x: image(1, 4, 4)
  target y: label(3)
  init normal(std=0.4)
  gradient ep(beta=0.1, points=4)
  block b {
    feedforward u = x |> conv2d(2, kernel=3, padding=1)
    energy hopfield {
      layer s1: [2, 4, 4] tanh(0.6)
      layer s2: [2, 2, 2] shifted_sigmoid
      u -> s1
      s1 <-> s2 : conv2d(kernel=3, padding=1) |> softmax_pool2d(2, temperature=0.3) {
        feedback = 0.5
      }
    }
    out = s2
  }
  readout logits = b |> flatten() |> linear(3)
  loss = cross_entropy(logits, y)
}"""


def checked() -> CheckReport:
    spec = compile_spec(SourceFile("pooled.ffe", TEXT)).spec
    return check(spec, CheckSettings(samples=2, directions=2, sweeps=1000))


def test_check_passes() -> None:
    assert checked().ok


def test_check_catches_a_missing_second_derivative(monkeypatch: pytest.MonkeyPatch) -> None:
    right = chain_derivatives.second_order

    def dropped(*args: Any) -> Any:
        found, total = right(*args)
        return {k: 0 * x for k, x in found.items()}, None if total is None else 0 * total

    monkeypatch.setattr("ffebm_dsl.physics.energy.op_chain.second_order", dropped)
    assert not checked().ok


# Softmax pooling -------------------------------------------------------------------------


def test_it_lies_between_the_mean_and_the_maximum() -> None:
    x = normal(2, 3, 4, 4)
    pool = partial(SoftmaxPool2d, (3, 4, 4), 2, stride=2)
    mean, largest = torch.nn.AvgPool2d(2)(x), torch.nn.MaxPool2d(2)(x)
    assert torch.allclose(pool(temperature=1e6).forward(x), mean, atol=1e-5)
    assert torch.allclose(pool(temperature=1e-3).forward(x), largest, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_large_entries_neither_overflow_nor_vanish(dtype: torch.dtype) -> None:
    x = torch.tensor([[[[1e4, -1e4], [-1e4, -1e4]]]], dtype=dtype)
    op = SoftmaxPool2d((1, 2, 2), 2, stride=2, padding=1)
    y = op.forward(x)
    assert torch.equal(y.real.flatten(), torch.tensor([1e4, -1e4, -1e4, -1e4]))
    assert bool(op.adjoint(torch.ones_like(y), x).isfinite().all())
