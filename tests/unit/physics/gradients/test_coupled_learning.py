"""Coupled learning: the gradient of the energy needed to clamp outputs, by two other routes.

Equilibria are found by Newton's method on the energy, gradients by finite differences of its
minima, or by implicit differentiation under the force that clamps the outputs.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import hessian

from ffebm_dsl.constructs.gradients.coupled_learning import CoupledLearning
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.energy import Energy
from ffebm_dsl.physics.gradients import LinearCost
from ffebm_dsl.physics.interfaces import Activation
from ffebm_dsl.tools.checking import CheckSettings, check
from ffebm_dsl.tools.checking.findings import findings
from ffebm_dsl.tools.checking.problem import Captured, Problem, make_problem
from tests.problems import normal

ENERGIES = {
    "hopfield": """energy hopfield {
        layer s1: [2, 4, 4] tanh(0.8)
        layer s2: [4] sigmoid(0.9)
        layer s3: [3] tanh
        u -> s1
        s1 <-> s2 : avg_pool2d(2) |> flatten() |> linear()
        s2 <-> s3 : linear() SETTING
        s3 <-> s3 : linear()
    }""",
    "resistive": """energy resistive {
        layer s1: [2, 4, 4] identity
        layer s2: [4] identity
        layer s3: [3] identity
        u -> s1
        s1 <-> s2 : flatten() |> linear()
        s2 <-> s3 : linear()
    }""",
    "oscillator": """energy oscillator {
        layer s1: [2, 4, 4] angle(-0.8)
        layer s2: [4] angle(-0.8)
        layer s3: [3] angle(-0.8)
        u -> s1
        s1 <-> s2 : flatten() |> linear()
        s2 <-> s3 : linear()
    }""",
}
TEXTS = {
    **{name: text.replace("SETTING", "") for name, text in ENERGIES.items()},
    "feedback": ENERGIES["hopfield"].replace("SETTING", "{ feedback = 0.4 }"),
}


STEP = 2e-6
"""Of finite differences: small, as a circuit's least energy is far from linear in conductances."""


def source(name: str, gradient: str = "coupled_learning()") -> SourceFile:
    text = f"""ffe 1.1
    model small {{
      input x: image(1, 4, 4)
      target y: label(3)
      init normal(std={0.1 if name == "oscillator" else 0.3})
      relax free {{ order = synchronous damping = 0.4 }}
      relax nudged {{ order = synchronous damping = 0.4 }}
      gradient {gradient}
      block b {{
        feedforward u = x |> conv2d(2, kernel=3, padding=1)
        {TEXTS[name]}
        out = s3
      }}
      readout logits = b |> linear(3)
      loss = cross_entropy(logits, y)
    }}"""
    return SourceFile("small.ffe", text)


def problem_of(name: str) -> tuple[Problem, Energy, Captured]:
    problem = make_problem(compile_spec(source(name)).spec, samples=3, seed=0, sweeps=5000)
    assert not problem.unconverged
    captured = problem.capture(Implicit(1e-13, 5000))["b"]
    return problem, problem.cores()["b"].energy, captured


def potential(activation: Activation, s: Tensor) -> Tensor:
    return activation.potential(s).flatten(1).sum(1)


def energy_at(energy: Energy, weights: Mapping[str, Tensor], flat: Tensor, drive: Tensor) -> Tensor:
    """E of one sample, its whole state in one vector."""
    sizes = [torch.Size(layer.shape).numel() for layer in energy.layers]
    state = [
        s.view(1, *layer.shape) for layer, s in zip(energy.layers, flat.split(sizes), strict=True)
    ]
    w = energy.require_layer_weights()
    named = dict(zip(dict(energy.named_parameters()), weights.values(), strict=True))
    total = sum(
        potential(n.activation, s) * k for n, s, k in zip(energy.layers, state, w, strict=True)
    )
    found: Tensor = total - torch.func.functional_call(energy, named, (state, [drive[None]]))
    return found[0]


def least(
    energy: Energy, weights: Mapping[str, Tensor], start: Tensor, drive: Tensor, free: int
) -> float:
    """The least energy over the first ``free`` entries of the state, by Newton's method."""
    flat = start.clone()
    for _ in range(5):
        h = flat[:free].clone().requires_grad_()

        def of(part: Tensor) -> Tensor:
            return energy_at(energy, weights, torch.cat([part, flat[free:]]), drive)

        (slope,) = torch.autograd.grad(of(h), h)
        flat[:free] -= torch.linalg.solve(hessian(of, h.detach(), vectorize=True), slope)
    return float(energy_at(energy, weights, flat, drive))


def vectors(captured: Captured) -> Tensor:
    """The free states, (B, all entries)."""
    return torch.cat([s.flatten(1) for s in captured.equilibrium.state], 1)


def held_at(captured: Captured, flat: Tensor, eta: float) -> Tensor:
    (c,) = captured.cost.gradient(captured.equilibrium.state).values()
    return torch.cat([flat[:, : -c.shape[1]], flat[:, -c.shape[1] :] - eta * c], 1)


@pytest.mark.parametrize("variant", ["positive", "negative", "centered"])
@pytest.mark.parametrize("name", TEXTS)
def test_it_is_the_gradient_of_what_holding_the_outputs_costs(name: str, variant: str) -> None:
    eta = 0.3
    _, energy, captured = problem_of(name)
    estimator = CoupledLearning(eta, variant)
    found = estimator.estimate(captured.equilibrium, captured.cost, captured.weights).weights
    flat, outputs = vectors(captured), captured.equilibrium.state[2][0].numel()
    everything, hidden = flat.shape[1], flat.shape[1] - outputs
    before = {n: w.detach() for n, w in energy.weights().items()}
    step = {n: normal(*w.shape, seed=k) for k, (n, w) in enumerate(before.items())}
    unit = energy.require_layer_weights()[2]

    def value(h: float) -> float:
        weights = {n: w + h * step[n] for n, w in before.items()}
        total = 0.0
        for beta, weight in estimator.phases:
            starts = held_at(captured, flat, float(beta.real)) if beta else flat
            for n, drive in enumerate(captured.equilibrium.bound.drives[0]):
                free = hidden if beta else everything
                share = float(captured.weights[n]) * float(weight.real) / unit
                total += share * least(energy, weights, starts[n], drive, free)
        return total

    slope = (value(STEP) - value(-STEP)) / (2 * STEP)
    along = sum(float((found[n] * step[n]).sum()) for n in found)
    assert slope == pytest.approx(along, rel=1e-5)


@pytest.mark.parametrize("name", TEXTS)
def test_a_little_of_it_is_implicit_differentiation_under_the_force_that_holds(name: str) -> None:
    _, energy, captured = problem_of(name)
    weights = {n: w.detach() for n, w in energy.weights().items()}
    (layer,) = captured.cost.layers()
    c = captured.cost.gradient(captured.equilibrium.state)[layer]
    forces = []
    for flat, drive, of_sample in zip(
        vectors(captured), captured.equilibrium.bound.drives[0], c, strict=True
    ):
        full = hessian(lambda s, u=drive: energy_at(energy, weights, s, u), flat, vectorize=True)
        n = len(flat) - len(of_sample)
        relaxed = full[n:, n:] - full[n:, :n] @ torch.linalg.solve(full[:n, :n], full[:n, n:])
        forces.append(relaxed @ of_sample / energy.require_layer_weights()[layer])
    exact = Implicit(1e-13, 5000).estimate(
        captured.equilibrium, LinearCost({layer: torch.stack(forces)}), captured.weights
    )
    found = CoupledLearning(1e-3).estimate(captured.equilibrium, captured.cost, captured.weights)
    for n, expected in exact.weights.items():
        assert torch.allclose(
            found.weights[n], expected, rtol=0, atol=1e-5 * float(expected.norm())
        )
    for drive, right in zip(found.drives, exact.drives, strict=True):
        assert torch.allclose(drive, right, rtol=0, atol=1e-5 * float(right.norm()))


def test_outputs_stay_where_they_are_held() -> None:
    problem, _, _ = problem_of("hopfield")
    problem.gradients({"b": CoupledLearning(0.5, "positive")})
    free, clamped = (r for r in problem.network.phases() if r.block == "b")
    assert free.state is not None and clamped.state is not None
    assert bool((clamped.sweeps > 1).all())
    with torch.no_grad():
        logits = problem.network.readout(free.state[2])
    onehot = torch.nn.functional.one_hot(problem.target, 3)
    c = (logits.softmax(1) - onehot) @ problem.network.readout["linear"].weight.detach()
    assert torch.allclose(clamped.state[2], free.state[2] - 0.5 * c, rtol=0, atol=1e-12)


def test_outputs_with_other_layer_weights_are_held_as_far() -> None:
    text = source("feedback").text.replace("out = s3", "out = s3 out inner = s2")
    text = text.replace(
        "loss = cross_entropy(logits, y)",
        """readout second = b.inner |> linear(3)
      loss = cross_entropy(logits, y) + cross_entropy(second, y)""",
    )
    spec = compile_spec(SourceFile("small.ffe", text)).spec
    problem = make_problem(spec, samples=3, seed=0, sweeps=5000)
    captured = problem.capture(Implicit(1e-13, 5000))["b"]
    problem.gradients({"b": CoupledLearning(0.5, "positive")})
    free, clamped = (r for r in problem.network.phases() if r.block == "b")
    assert free.state is not None and clamped.state is not None
    cotangents = captured.cost.gradient(captured.equilibrium.state)
    assert set(cotangents) == {1, 2}
    for layer, c in cotangents.items():
        held = free.state[layer] - 0.5 * c
        assert torch.allclose(clamped.state[layer], held, rtol=0, atol=1e-12)


def test_check_says_how_far_it_is_from_the_gradient_of_the_loss() -> None:
    compiled = compile_spec(source("hopfield"))
    report = check(compiled.spec, CheckSettings(samples=2, directions=1, sweeps=2000))
    assert report.ok and report.clamped == ["b"]
    assert 0.5 < report.biased["b"] < 0.9999
    told = findings(report, compiled.source, compiled.places)
    (found,) = (d for d in told if d.code == "FFEW017")
    assert f"{report.biased['b']:.6f}" in found.message


@pytest.mark.parametrize(("eta", "variant"), [(0.0, "centered"), (0.1, "random")])
def test_what_it_refuses(eta: float, variant: str) -> None:
    with pytest.raises(ValueError, match=r"eta|variant"):
        CoupledLearning(eta, variant)
