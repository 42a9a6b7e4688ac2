"""Coupled oscillators compared with explicit equations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ffebm_dsl.constructs.activations.angle import Angle
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.ops.linear import Linear
from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.energy import Coupling, Drive, OscillatorEnergy
from ffebm_dsl.physics.interfaces import Layer, PhaseSettings, Status, Sweeps
from ffebm_dsl.physics.network import BlockSettings, EnergyBlock
from ffebm_dsl.physics.relaxation import schedule
from tests.problems import generator, normal, weights_of

HARMONIC = -0.8


def oscillators() -> OscillatorEnergy:
    layers = [Layer(f"s{i}", (n,), Angle(harmonic=HARMONIC)) for i, n in enumerate((4, 3))]
    couplings = {"s0_s1": Coupling(0, 1, {"linear": Linear((4,), 3)})}
    energy = OscillatorEnergy(layers, couplings, {"u": Drive(0)}).double()
    with torch.no_grad():
        for parameter in energy.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator(1)))
    return energy


def written_out(energy: OscillatorEnergy, a: Tensor, b: Tensor, u: Tensor) -> Tensor:
    """``-sum J cos(a - b) - sum h cos(s) - 1/2 sum K cos(2 s)``, term by term."""
    weights = dict(energy.named_parameters())
    coupling, bias = (weights[f"couplings.s0_s1.ops.linear.{k}"] for k in ("weight", "bias"))
    total = -(coupling * (b[:, :, None] - a[:, None, :]).cos()).sum((1, 2))
    total = total - (bias * b.cos()).sum(1) - (u * a.cos()).sum(1)
    return total - HARMONIC / 2 * ((2 * a).cos().sum(1) + (2 * b).cos().sum(1))


def test_the_energy_is_that_of_the_equations() -> None:
    energy, a, b, u = oscillators(), normal(5, 4), normal(5, 3, seed=1), normal(5, 4, seed=2)
    assert torch.allclose(energy.energy([a, b], [u]), written_out(energy, a, b, u))


def curvature(energy: OscillatorEnergy, a: Tensor, b: Tensor, u: Tensor) -> list[Tensor]:
    """``|sum J exp(i phi_j) + h| + 2 |K|`` of every oscillator."""
    weights = dict(energy.named_parameters())
    coupling, bias = (
        weights[f"couplings.s0_s1.ops.linear.{k}"].detach().to(torch.complex128)
        for k in ("weight", "bias")
    )
    pulls = (torch.exp(1j * b) @ coupling + u, torch.exp(1j * a) @ coupling.T + bias)
    return [pull.abs() + 2 * abs(HARMONIC) for pull in pulls]


def test_an_update_is_a_step_down_the_energy_over_its_curvature() -> None:
    """``d phi_i ~ -sum J sin(phi_i - phi_j) - h sin(phi_i) - K sin(2 phi_i)``."""
    energy, u = oscillators(), normal(5, 4, seed=2)
    bound = energy.bind([u], weights_of(energy))
    state = [normal(5, 4, seed=3), normal(5, 3, seed=4)]
    with torch.no_grad():
        moved = [bound.dynamics().update(state, i) for i in range(2)]
    leaves = [s.clone().requires_grad_() for s in state]
    slopes = torch.autograd.grad(written_out(energy, *leaves, u).sum(), leaves)
    parts = zip(state, moved, slopes, curvature(energy, *state, u), strict=True)
    for s, new, slope, by in parts:
        assert torch.allclose(new - s, -slope / by)


def test_relaxations_start_at_half_pi() -> None:
    energy = oscillators()
    state = energy.bind([normal(5, 4, seed=2)], weights_of(energy)).zero_state()
    assert all(bool((s == math.pi / 2).all()) for s in state)


@pytest.mark.parametrize("factor", [1.0, 1.95])
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_every_update_lowers_the_energy(scale: float, factor: float) -> None:
    """Also if it is over-relaxed by nearly 2."""
    energy, u = oscillators(), scale * normal(5, 4, seed=2)
    with torch.no_grad():
        for parameter in energy.parameters():
            parameter.mul_(scale)
    bound = energy.bind([u], weights_of(energy))
    state, dynamics = [normal(5, 4, seed=3), normal(5, 3, seed=4)], bound.dynamics()
    heights = [written_out(energy, *state, u)]
    with torch.no_grad():
        for sweep in range(60):
            i = sweep % 2
            state[i] = state[i].lerp(dynamics.update(state, i), factor)
            heights.append(written_out(energy, *state, u))
    falls = -torch.stack(heights).diff(dim=0)
    assert bool((falls >= -1e-12 * scale).all()) and bool((falls[:2] > 1e-3 * scale).all())


def test_an_oscillator_that_nothing_pulls_stays() -> None:
    energy = OscillatorEnergy([Layer("s0", (2,), Angle())], {}, {"u": Drive(0)}).double()
    bound = energy.bind([torch.zeros(1, 2, dtype=torch.float64)], weights_of(energy), graph=True)
    state = [torch.full((1, 2), 0.3, dtype=torch.float64, requires_grad=True)]
    new = bound.dynamics().update(state, 0)
    assert torch.equal(new, state[0])
    (slope,) = torch.autograd.grad(new.sum(), state)
    assert bool(slope.isfinite().all())


def core(estimator: object) -> EnergyBlock:
    energy = oscillators()
    plan = PhaseSettings(20000, 1e-14, Sweeps(schedule("asynchronous", 2, [(0, 1)])))
    return EnergyBlock(energy, [1], BlockSettings(plan, plan, estimator))  # type: ignore[arg-type]


def gradient(estimator: object) -> Tensor:
    block = core(estimator)
    drive = (1 + normal(3, 4, seed=2)).requires_grad_()
    (0.3 * block(drive).cos()).sum(1).mean().backward()
    assert all(bool((r.status == Status.CONVERGED).all()) for r in block.reports)
    tensors = [*block.energy.parameters(), drive]
    return torch.cat([t.grad.flatten() for t in tensors if t.grad is not None])


def test_ep_has_a_bias_of_order_two() -> None:
    exact = gradient(Implicit(1e-14, 20000))
    errors = [float((gradient(EquilibriumPropagation(beta)) - exact).norm()) for beta in (0.2, 0.1)]
    assert abs(math.log2(errors[0] / errors[1]) - 2) < 0.2


SPEC = """ffe 1.1
model m {
  input  x: vector(4)
  target y: label(3)
  block b {
    feedforward u = x |> linear(4)
    energy KIND {
      layer s1: [4] ACTIVATION
      layer s2: [3] ACTIVATION
      u  ->  s1
      s1 <-> s2 : linear()
    }
    out = s2
  }
  readout p = b |> cos()
  loss = mse(p, y)
}
"""


@pytest.mark.parametrize(
    ("kind", "activation"),
    [
        ("hopfield", "angle"),
        ("hopfield", "angle(harmonic=0.2)"),
        ("oscillator", "tanh"),
        ("oscillator", "diode"),
    ],
)
def test_angles_belong_to_oscillators(kind: str, activation: str) -> None:
    text = SPEC.replace("KIND", kind).replace("ACTIVATION", activation)
    with pytest.raises(SpecError):
        compile_spec(SourceFile("m.ffe", text))
    compile_spec(
        SourceFile("m.ffe", SPEC.replace("KIND", "oscillator").replace("ACTIVATION", "angle"))
    )
