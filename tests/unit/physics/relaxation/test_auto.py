"""``solver = auto``: plain where that is best, else fewer sweeps to the same fixed point."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as drawing
from hypothesis import strategies as st
from torch import Tensor

import ffebm_dsl
from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.identity import Identity
from ffebm_dsl.constructs.activations.relu import Relu
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.noises.state import StateNoise
from ffebm_dsl.constructs.solvers.auto import FIRST, UNMIXED, Auto, Mixed, Stretched
from ffebm_dsl.physics.energy import HopfieldEnergy
from ffebm_dsl.physics.gradients.finite_differences import directions, project, smooth_differences
from ffebm_dsl.physics.interfaces import (
    Acceleration,
    Activation,
    PhaseSettings,
    Relaxation,
    Status,
    Sweeps,
)
from ffebm_dsl.physics.network import BlockSettings, EnergyBlock
from ffebm_dsl.physics.relaxation import relax
from tests.problems import chain_energy, generator, max_pooled_energy, normal, relaxed, settings
from tests.unit.physics.relaxation.test_relax import ONE_LAYER, Affine

ACTIVATIONS = [Identity(0.4), Relu(0.4), HardSigmoid(0.5), Tanh(0.5)]


def automatic(plan: PhaseSettings) -> PhaseSettings:
    return replace(plan, solver=Auto(replace(plan.solver.plain, acceleration=Acceleration.BY_RATE)))


def slow_chain(rate: float, activation: Activation | None = None) -> HopfieldEnergy:
    """A chain of layers whose plain sweeps contract by no less than ``rate`` where linear."""
    energy = chain_energy([5, 6, 4, 3], activation or Identity())
    # The couplings of a chain are bipartite: a sweep contracts by their largest eigenvalue squared.
    size = sum(layer.shape[0] for layer in energy.layers)
    matrix, offset = torch.zeros(size, size, dtype=torch.float64), 0
    for w in (p for name, p in energy.named_parameters() if "weight" in name):
        out, into = w.shape
        rows = slice(offset + into, offset + into + out)
        matrix[rows, offset : offset + into] = w.detach()
        offset += into
    matrix = matrix + matrix.T
    for name, parameter in energy.named_parameters():
        if "weight" in name:
            parameter.data *= rate**0.5 / torch.linalg.eigvalsh(matrix).max()
    return energy


def test_a_slow_block_needs_less_than_half_the_sweeps() -> None:
    energy, drives = slow_chain(0.9), [normal(6, 5)]
    plan = settings(energy, 1000, 1e-8)
    plain, fast = (relaxed(energy, drives, p)[0] for p in (plan, automatic(plan)))
    assert (fast.status == Status.CONVERGED).all()
    assert 2 * fast.sweeps.sum() < plain.sweeps.sum()
    assert fast.paces is not None and (fast.paces > 1).all()
    for s, reference in zip(fast.state, plain.state, strict=True):
        assert torch.allclose(s, reference, rtol=0, atol=1e-6)


def test_a_fast_block_is_swept_plainly_to_the_bit() -> None:
    energy, drives = slow_chain(0.1), [normal(6, 5)]
    plan = settings(energy, 100, 1e-6)
    plain, found = (relaxed(energy, drives, p)[0] for p in (plan, automatic(plan)))
    assert found.paces is None
    assert torch.equal(found.sweeps, plain.sweeps)
    assert all(map(torch.equal, found.state, plain.state))


@drawing(deadline=None, max_examples=40)
@given(
    rate=st.floats(0.05, 0.97),
    activation=st.sampled_from(ACTIVATIONS),
    order=st.sampled_from(["asynchronous", "asynchronous_reversed", "forward", "backward"]),
    tolerance=st.sampled_from([1e-3, 1e-5, 1e-9]),
    seed=st.integers(0, 99),
)
def test_no_further_from_rest_and_no_later_than_plain_sweeps(
    rate: float, activation: Activation, order: str, tolerance: float, seed: int
) -> None:
    energy, drives = slow_chain(rate, activation), [normal(4, 5, seed=seed)]
    plan = settings(energy, 3000, tolerance, order=order)
    plain, found = (relaxed(energy, drives, p)[0] for p in (plan, automatic(plan)))
    rest = relaxed(energy, drives, settings(energy, 5000, 1e-14, order=order))[0]
    assert (found.status == Status.CONVERGED).all()
    # Where factors help little, transients of over-relaxation may take a few sweeps more.
    assert (found.sweeps <= plain.sweeps + FIRST).all()
    assert (distance(found.state, rest.state) <= 3 * tolerance / (1 - rate)).all()


def distance(states: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """Relative, per sample."""
    a, b = torch.cat(list(states), 1), torch.cat(list(others), 1)
    return (a - b).norm(dim=1) / b.norm(dim=1)


def test_a_sample_does_not_depend_on_its_batch() -> None:
    energy = slow_chain(0.95, Tanh(1.0))
    drives = [normal(5, 5) * torch.logspace(-2, 1, 5).double().view(-1, 1)]
    plan = automatic(settings(energy, 500, 1e-6))
    together = relaxed(energy, drives, plan)[0]
    assert together.paces is not None and (together.paces > 1).any()
    for k in range(5):
        alone = relaxed(energy, [drives[0][k : k + 1]], plan)[0]
        assert abs(together.sweeps[k] - alone.sweeps[0]) <= 2
        pace = 1.0 if alone.paces is None else alone.paces.item()
        assert together.paces[k].item() == pytest.approx(pace, abs=1e-9)


@dataclass
class Modes(Affine):
    """``s <- a s + b`` with an ``a`` and a ``b`` for each unit of each sample."""

    by_unit: Tensor = field(default_factory=lambda: torch.zeros(0))

    def update(self, state: Sequence[Tensor], layer: int) -> Tensor:
        return self.rate * state[layer] + self.by_unit

    def select(self, rows: Tensor) -> Modes:
        return Modes(self.rate[rows], by_unit=self.by_unit[rows])


def test_a_sample_that_slows_down_later_does_not_depend_on_its_batch() -> None:
    """The second sample is slow at the second look only, when its fast units have settled."""
    rate = torch.tensor([[0.9, 0.9, 0.9], [0.4, 0.4, 0.9]], dtype=torch.float64)
    offset = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 1e-5]], dtype=torch.float64)
    plan = Relaxation(500, 1e-10, Auto(replace(ONE_LAYER, acceleration=Acceleration.BY_RATE)))

    def paces(*rows: int) -> list[float]:
        dynamics = Modes(rate, by_unit=offset).select(torch.tensor(rows))
        found = relax(dynamics, [torch.zeros(len(rows), 3, dtype=torch.float64)], plan)
        assert (found.status == Status.CONVERGED).all() and found.paces is not None
        return found.paces.tolist()

    assert paces(0, 1) == [*paces(0), *paces(1)]
    assert min(paces(0, 1)) > 1


@pytest.mark.parametrize("rate", [-0.9, -0.3, 0.3])
def test_steps_that_swing_or_are_fast_stay_plain(rate: float) -> None:
    dynamics = Affine(torch.tensor([rate], dtype=torch.float64))
    start = [torch.zeros(1, 3, dtype=torch.float64)]
    plan = Relaxation(500, 1e-9, Auto(replace(ONE_LAYER, acceleration=Acceleration.BY_RATE)))
    found = relax(dynamics, start, plan)
    plain = relax(dynamics, start, replace(plan, solver=ONE_LAYER))
    assert found.paces is None
    assert torch.equal(found.state[0], plain.state[0])
    assert torch.equal(found.sweeps, plain.sweeps)


def test_a_factor_that_does_not_help_is_given_up() -> None:
    """Steps that shrink ever less, whatever is done."""

    class Stubborn(Affine):
        def update(self, state: Sequence[Tensor], layer: int) -> Tensor:
            self.moves.append(layer)
            self.offset *= 0.9 + 2e-5 * len(self.moves)
            return state[layer] + self.offset

    solver = Auto(replace(ONE_LAYER, acceleration=Acceleration.BY_RATE))
    dynamics = Stubborn(torch.tensor([1.0], dtype=torch.float64))
    start = [torch.ones(1, 3, dtype=torch.float64)]
    found = relax(dynamics, start, Relaxation(400, 1e-9, solver))
    assert found.status.tolist() == [Status.CONVERGED]
    assert found.paces is not None and found.paces.tolist() == [1.0]


def test_live_max_pooling_is_swept_plainly_and_frozen_pooling_is_not() -> None:
    energy = max_pooled_energy(Tanh())
    for name, parameter in energy.named_parameters():
        parameter.data *= 2.0 if "weight" in name else 1.0
    drives = [normal(4, 2, 6, 6)]
    for freeze_after in (-1, 3):
        plan = settings(energy, 300, 1e-9, freeze_after=freeze_after)
        plain, found = (relaxed(energy, drives, p)[0] for p in (plan, automatic(plan)))
        assert (found.paces is None) == (freeze_after < 0)
        if freeze_after < 0:
            assert all(map(torch.equal, found.state, plain.state))


SPEC = """
ffe 1.1
model m {{
  input x: vector(6)
  target y: label(3)
  init normal(std=0.3)
  relax free {{ sweeps = 300  tolerance = 1e-6  {free} }}
  relax nudged {{ sweeps = 300  tolerance = 1e-8  {nudged} }}
  block b {{
    feedforward u = x |> linear(8)
    energy {energy} {{
      layer s1: [8] {activation}
      layer s2: [6] {activation}
      u -> s1
      s1 <-> s2 : linear()
      {more}
    }}
    out = s2
  }}
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}}
"""


POOLED = {
    "x: vector(6)": "x: image(2, 4, 4)",
    "x |> linear(8)": "x |> conv2d(2, kernel=3, padding=1)",
    "layer s1: [8]": "layer s1: [2, 4, 4]",
    "s1 <-> s2 : linear()": "s1 <-> s2 : softmax_pool2d(2) |> flatten() |> linear()",
}
"""What makes a spec one whose coupling has a nonlinear op."""


def pooled(text: str) -> str:
    for linear, nonlinear in POOLED.items():
        assert linear in text
        text = text.replace(linear, nonlinear)
    return text


def spec(**parts: str) -> str:
    given = {"free": "", "nudged": "", "energy": "hopfield", "activation": "tanh(0.5)", "more": ""}
    return SPEC.format(**given | parts)


def solver_of(text: str) -> object:
    block = ffebm_dsl.load(text).blocks[0].core
    return block.settings.free.solver.fitted(block.settings.free)


def test_it_is_the_default() -> None:
    assert isinstance(solver_of(spec()), Auto)


@pytest.mark.parametrize(
    "parts",
    [
        {"free": "damping = 0.2"},
        {"free": "order = synchronous"},
        {"free": "noise = [read(0.1)]"},
        {"more": "s2 <-> s2 : linear()"},
        {"more": "s2 <-> s2 : linear()\n      s2 : memory(12)"},
        {"more": "s2 <-> s2 : linear()", "energy": "oscillator", "activation": "angle"},
        {"free": "order = synchronous", "energy": "oscillator", "activation": "angle"},
        {"free": "solver = plain"},
    ],
)
def test_where_it_sweeps_plainly(parts: dict[str, str]) -> None:
    assert isinstance(solver_of(spec(**parts)), Sweeps)


@pytest.mark.parametrize("free", ["damping = 0.2", "order = synchronous", "noise = [read(0.1)]"])
def test_where_it_sweeps_nonlinear_ops_plainly(free: str) -> None:
    assert isinstance(solver_of(pooled(spec(free=free))), Sweeps)
    assert isinstance(solver_of(pooled(spec(more="s2 : memory(12)"))), Sweeps)


def test_nonlinear_ops_are_accelerated_by_mixtures() -> None:
    assert isinstance(solver_of(pooled(spec())), Mixed)
    drive, ends = normal(6, 2, 4, 4), []
    for solver in ("auto", "plain"):
        torch.manual_seed(0)
        text = pooled(spec(activation="tanh", free=f"solver = {solver}")).replace("1e-6", "1e-10")
        core = ffebm_dsl.load(text).double().blocks[0].core
        output = core(drive)
        output.square().sum().backward()
        ends.append((output, core.reports, [p.grad for p in core.parameters()]))
    (fast, accelerated, own), (slow, plain, exact) = ends
    assert bool(((fast - slow).abs() < 1e-8).all())
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(own, exact, strict=True))
    assert all(bool((report.status == Status.CONVERGED).all()) for report in accelerated)
    assert accelerated[0].sweeps.sum() < 0.8 * plain[0].sweeps.sum()
    assert int(accelerated[0].accelerated.sum()) == 6 and int(plain[0].accelerated.sum()) == 0


def test_samples_at_rest_before_the_first_mixture_do_not_count_as_accelerated() -> None:
    torch.manual_seed(0)
    core = ffebm_dsl.load(pooled(spec(activation="tanh")).replace("1e-6", "1e-4")).blocks[0].core
    core((normal(6, 2, 4, 4) * torch.tensor([0.1, 0.3, 1, 1, 2, 9]).view(-1, 1, 1, 1)).float())
    (report,) = core.reports
    assert torch.equal(report.accelerated, report.sweeps > UNMIXED + 2)
    assert 0 < int(report.accelerated.sum()) < 6


@pytest.mark.parametrize(
    "parts",
    [{"energy": "oscillator", "activation": "angle"}, {"more": "s1 : memory(12)"}],
)
def test_steps_over_a_bound_are_over_relaxed_from_the_first_sweep(parts: dict[str, str]) -> None:
    assert isinstance(solver_of(spec(**parts)), Stretched)
    drive, ends = normal(6, 8), []
    for solver in ("auto", "plain"):
        torch.manual_seed(0)
        text = spec(**parts, free=f"solver = {solver}").replace("1e-6", "1e-9")
        core = ffebm_dsl.load(text).double().blocks[0].core
        ends.append((core(drive), core.reports[0]))
    (fast, accelerated), (slow, plain) = ends
    apart = fast - slow
    apart = apart - 2 * math.pi * (apart / (2 * math.pi)).round()  # an angle may go round
    assert bool((apart.abs() < 1e-6).all())
    assert bool((accelerated.status == Status.CONVERGED).all())
    assert accelerated.sweeps.sum() < 0.8 * plain.sweeps.sum()
    assert int(accelerated.accelerated.sum()) == 6 and int(plain.accelerated.sum()) == 0


def test_without_tolerance_it_is_plain() -> None:
    text = spec().replace("tolerance = 1e-6", "tolerance = 0")
    assert isinstance(solver_of(text), Sweeps)


def test_stated_over_relaxation_is_kept() -> None:
    assert type(solver_of(spec(free="over_relaxation = 1.3"))).__name__ == "OverRelaxation"


def test_noise_in_python_is_swept_plainly() -> None:
    plan = automatic(settings(slow_chain(0.9), 10, 1e-6))
    noisy = replace(plan, noise=(StateNoise(0.1),))
    assert isinstance(noisy.solver.fitted(noisy), Sweeps)


def block(make: Callable[[PhaseSettings], PhaseSettings], estimator: object) -> EnergyBlock:
    energy = slow_chain(0.97, Tanh(1.0))
    free, nudged = settings(energy, 3000, 1e-10), settings(energy, 3000, 1e-10)
    phases = BlockSettings(make(free), make(nudged), estimator)  # type: ignore[arg-type]
    return EnergyBlock(energy, [3], phases)


def gradients(core: EnergyBlock, drive: Tensor) -> list[Tensor]:
    core.zero_grad()
    drive = drive.clone().requires_grad_()
    ((core(drive) - 0.3).square().sum(1) / 2).mean().backward()
    found = [p.grad for p in core.parameters() if p.grad is not None]
    assert drive.grad is not None
    return [*found, drive.grad]


@pytest.mark.parametrize("estimator", [EquilibriumPropagation(beta=1e-2), Implicit(1e-10, 3000)])
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_those_of_plain_sweeps(estimator: object, seed: int) -> None:
    drive = normal(4, 5, seed=seed)
    fast, plain = block(automatic, estimator), block(lambda plan: plan, estimator)
    found, expected = gradients(fast, drive), gradients(plain, drive)
    for g, reference in zip(found, expected, strict=True):
        assert (g - reference).norm() <= 1e-5 * reference.norm()
    used = sum(int(report.sweeps.sum()) for report in fast.reports)
    assert 1.5 * used < sum(int(report.sweeps.sum()) for report in plain.reports)


def test_gradients_are_those_of_finite_differences() -> None:
    core, drive = block(automatic, EquilibriumPropagation(beta=1e-3)), normal(4, 5)
    *_, found = gradients(core, drive)

    def value(offset: Tensor) -> float:
        with torch.no_grad():
            return float(((core(drive + offset) - 0.3).square().sum(1) / 2).mean())

    rows = directions(drive, 4, generator())
    smooth = smooth_differences(value, value(torch.zeros_like(drive)), rows)
    assert smooth.enough
    assert torch.allclose(project(found, smooth.rows), smooth.slopes, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("estimator", [EquilibriumPropagation(beta=1e-2), Implicit(1e-10, 3000)])
def test_a_sample_that_did_not_converge_is_nudged_plainly(estimator: object) -> None:
    def short(plan: PhaseSettings) -> PhaseSettings:
        return replace(automatic(plan), sweeps=27)

    core = block(short, estimator)
    gradients(core, normal(4, 5) * torch.logspace(-2, 1, 4).double().view(-1, 1))
    free, *others = core.reports
    assert free.paces is not None
    slow = free.status != Status.CONVERGED
    assert ((free.paces > 1) & slow).any() and ((free.paces > 1) & ~slow).any()
    for report in others:
        assert report.paces is not None
        assert torch.equal(report.paces, free.paces.masked_fill(slow, 1.0))


def test_phases_that_are_contrasted_have_one_factor() -> None:
    core = block(automatic, EquilibriumPropagation(beta=1e-2))
    gradients(core, normal(4, 5))
    free, *nudged = core.reports
    assert free.paces is not None and len(nudged) == 2
    for report in nudged:
        assert report.paces is not None
        assert torch.equal(report.paces, free.paces)
