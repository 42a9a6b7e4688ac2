"""``gradient bptt`` is the gradient of what the free phase computes, converged or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import ffebm_dsl
from ffebm_dsl.constructs.gradients.bptt import BackpropagationThroughTime
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.constructs.solvers.anderson import Anderson
from ffebm_dsl.physics.gradients.finite_differences import project
from ffebm_dsl.physics.interfaces import Estimator, PhaseSettings
from ffebm_dsl.physics.network import EnergyBlock, Outcome
from ffebm_dsl.physics.relaxation import OverRelaxation
from ffebm_dsl.tools.benchmarking.backprop import feedforward
from tests.problems import block, convolutional_energy, max_pooled_energy, normal
from tests.unit.physics.gradients.test_estimators import (
    AGREEMENT,
    differences,
    gradients,
    relative_errors,
)

BPTT = BackpropagationThroughTime()

Change = Callable[[PhaseSettings], PhaseSettings]


def three_sweeps(free: PhaseSettings) -> PhaseSettings:
    """Too few for the blocks below to come near their equilibrium."""
    return replace(free, sweeps=3, tolerance=0.0)


def one_pass(free: PhaseSettings) -> PhaseSettings:
    return replace(free, sweeps=0, feedforward=True)


PHASES: dict[str, Change] = {
    "three sweeps": three_sweeps,
    "one pass": one_pass,
    "a pass and three sweeps": lambda free: replace(three_sweeps(free), feedforward=True),
    "damped": lambda free: three_sweeps(free).damped(0.3),
    "over-relaxed": lambda free: replace(
        three_sweeps(free), solver=OverRelaxation(1.2, free.solver.plain)
    ),
    "routing kept after one sweep": lambda free: replace(three_sweeps(free), freeze_after=1),
}


def errors(core: EnergyBlock, drive: Tensor, estimator: Estimator) -> list[float]:
    """Of every gradient, relative to finite differences."""
    expected = differences(core, drive)
    core.configure(estimator=estimator)
    found = [
        project(g, rows) for g, (rows, _) in zip(gradients(core, drive), expected, strict=True)
    ]
    return relative_errors(found, [slopes for _, slopes in expected])


@pytest.mark.parametrize("phase", PHASES)
def test_against_finite_differences(phase: str) -> None:
    core, drive = block(max_pooled_energy()), normal(2, 2, 6, 6, seed=3)
    core.configure(free=PHASES[phase](core.settings.free))
    assert max(errors(core, drive, BPTT)) < AGREEMENT


def test_accelerated_sweeps_are_differentiated_as_they_are() -> None:
    """Their starts, which are clipped to the range of states, depend on all earlier ones."""
    core, drive = block(convolutional_energy()), normal(2, 2, 6, 6, seed=3)
    free = core.settings.free
    solver = Anderson(2, tuple(range(len(core.energy.layers))), free.solver)
    plain = replace(three_sweeps(free), sweeps=6)
    core.configure(free=replace(plain, solver=solver))
    assert max(errors(core, drive, BPTT)) < AGREEMENT
    accelerated = core(drive)
    core.configure(free=plain)
    assert not torch.equal(accelerated, core(drive))


def test_at_an_equilibrium_it_is_the_implicit_gradient() -> None:
    core, drive = block(convolutional_energy()), normal(2, 2, 6, 6, seed=3)
    core.configure(free=replace(core.settings.free, tolerance=1e-12), estimator=BPTT)
    found = gradients(core, drive)
    core.configure(estimator=Implicit(1e-14, 500))
    assert max(relative_errors(found, gradients(core, drive))) < 1e-9


def test_finite_differences_tell_an_estimator_of_the_equilibrium_apart() -> None:
    core, drive = block(convolutional_energy()), normal(2, 2, 6, 6, seed=3)
    core.configure(free=three_sweeps(core.settings.free))
    for estimator in (Implicit(1e-12, 200), Unrolled(3)):
        assert max(errors(core, drive, estimator)) > 10 * AGREEMENT


SPEC = """ffe 1.1
model plain {
  input x: image(1, 8, 8)
  target y: label(3)
  relax free { sweeps = 0  start = feedforward }
  gradient bptt()
  block b {
    feedforward u = x |> conv2d(2, kernel=3, padding=1)
    energy hopfield {
      layer s1: [2, 8, 8] tanh
      layer s2: [4, 4, 4] hard_sigmoid
      layer s3: [6] tanh
      u -> s1
      s1 <-> s2 : conv2d(kernel=3, padding=1) |> max_pool2d(2)
      s2 <-> s3 : flatten() |> linear()
      s1 <-> s3 : flatten() |> linear()
    }
    out = s3
  }
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}
"""


def test_after_one_pass_it_is_backpropagation_through_the_same_layers() -> None:
    network = ffebm_dsl.load(SPEC).double()
    plain = feedforward(network)
    assert plain is not None
    x, y = normal(5, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1])
    for each in (network, plain):
        outcome = each(x, y)
        assert isinstance(outcome, Outcome)
        outcome.loss.backward()
    expected = dict(plain.named_parameters())
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.any())
        torch.testing.assert_close(parameter.grad, expected[name].grad, rtol=1e-10, atol=1e-14)
    assert all(not report.sweeps.any() for report in network.phases())


def test_the_noise_is_that_of_the_free_phase() -> None:
    """Else the gradient would belong to other states than the loss."""
    text = SPEC.replace("sweeps = 0  start = feedforward", "sweeps = 3  noise = [read(0.5)]")
    network = ffebm_dsl.load(text).double()
    x, y = normal(5, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1])
    weight = network.blocks[0].core.energy.couplings["s2_s3"].ops["linear"].weight

    def loss() -> Tensor:
        torch.manual_seed(7)
        outcome = network(x, y)
        assert isinstance(outcome, Outcome)
        return outcome.loss

    (found,) = torch.autograd.grad(loss(), [weight])
    step = 1e-6
    with torch.no_grad():
        place = (0, int(found[0].abs().argmax()))
        weight[place] += step
        above = float(loss())
        weight[place] -= 2 * step
        slope = (above - float(loss())) / (2 * step)
    assert float(found[place]) == pytest.approx(slope, rel=1e-5)
