"""The relaxation loop: stopping, freezing, and statuses of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.identity import Identity
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.ops.linear import Linear
from ffebm_dsl.physics.energy import Coupling, Drive, HopfieldEnergy
from ffebm_dsl.physics.interfaces import BoundEnergy, Layer, Relaxation, Status, Sweeps
from ffebm_dsl.physics.relaxation import relax
from tests.problems import (
    chain_energy,
    convolutional_energy,
    dynamics_of,
    max_pooled_energy,
    normal,
    relaxed,
    settings,
    zero_state,
)


def bound(energy: HopfieldEnergy, drives: list[Tensor]) -> BoundEnergy:
    return energy.bind(drives, energy.weights())


ONE_LAYER = Sweeps(((0,),))


@dataclass
class Affine:
    """``s <- a s + b`` per sample: a fixed point b / (1 - a), contraction rate |a|."""

    rate: Tensor
    offset: float = 1.0
    moves: list[int] = field(default_factory=list)

    def update(self, state: Sequence[Tensor], layer: int) -> Tensor:
        return self.rate[:, None] * state[layer] + self.offset

    def moved(self, layer: int) -> None:
        self.moves.append(layer)

    changes_after = -1
    live = False
    may_grow: bool = False

    def change(self, state: Sequence[Tensor]) -> None:
        raise AssertionError("nothing changes here")

    def admissible(self, layer: int, s: Tensor) -> Tensor:
        return s

    def select(self, rows: Tensor) -> Affine:
        return Affine(self.rate[rows], self.offset)


def affine(*rates: float) -> tuple[Affine, list[Tensor]]:
    rate = torch.tensor(rates, dtype=torch.float64)
    return Affine(rate), [torch.zeros(len(rates), 3, dtype=torch.float64)]


def test_each_sample_stops_by_itself() -> None:
    dynamics, start = affine(0.1, 0.5, 0.9)
    solution = relax(dynamics, start, Relaxation(500, 1e-10, ONE_LAYER))
    assert solution.status.tolist() == [Status.CONVERGED] * 3
    assert solution.sweeps.tolist() == sorted(solution.sweeps.tolist())
    assert (solution.residual < 1e-10).all()
    assert torch.allclose(solution.state[0][:, 0], 1 / (1 - dynamics.rate), rtol=1e-8)


def test_a_sample_does_not_depend_on_its_batch() -> None:
    together = relax(*affine(0.1, 0.9), Relaxation(500, 1e-6, ONE_LAYER))
    alone = relax(*affine(0.1), Relaxation(500, 1e-6, ONE_LAYER))
    assert torch.equal(together.state[0][:1], alone.state[0])
    assert torch.equal(together.residual[:1], alone.residual)


def test_without_tolerance_every_sweep_is_made() -> None:
    dynamics, start = affine(0.0)
    solution = relax(dynamics, start, Relaxation(7, 0.0, ONE_LAYER))
    assert dynamics.moves == [0] * 7
    assert solution.sweeps.tolist() == [7]
    assert solution.status.tolist() == [Status.EXHAUSTED]
    assert solution.residual.tolist() == [0.0]


def test_no_sweeps_leave_the_state_and_say_so() -> None:
    dynamics, start = affine(0.5)
    solution = relax(dynamics, start, Relaxation(0, 1e-6, ONE_LAYER))
    assert torch.equal(solution.state[0], start[0])
    assert solution.residual.isnan().all()
    assert solution.status.tolist() == [Status.EXHAUSTED]


def test_exhaustion_is_not_convergence() -> None:
    solution = relax(*affine(0.99), Relaxation(10, 1e-10, ONE_LAYER))
    assert solution.status.tolist() == [Status.EXHAUSTED]
    assert solution.sweeps.tolist() == [10]


def test_a_two_cycle_is_named() -> None:
    solution = relax(*affine(-1.0, 0.5), Relaxation(40, 1e-8, ONE_LAYER))
    assert solution.status.tolist() == [Status.CYCLING, Status.CONVERGED]


def test_slow_convergence_is_not_called_a_cycle() -> None:
    solution = relax(*affine(-0.97), Relaxation(60, 1e-8, ONE_LAYER))
    assert solution.status.tolist() == [Status.EXHAUSTED]


@pytest.mark.parametrize("tolerance", [0.0, 1e-6])
def test_angles_that_grow_do_not_diverge(tolerance: float) -> None:
    """They go round; what is not finite diverges all the same."""
    for may_grow, status in ((False, Status.DIVERGED), (True, Status.EXHAUSTED)):
        dynamics, start = affine(1.2, float("nan"))
        dynamics.may_grow = may_grow
        found = relax(dynamics, start, Relaxation(40, tolerance, ONE_LAYER)).status
        assert found.tolist() == [status, Status.DIVERGED]


@pytest.mark.parametrize("tolerance", [0.0, 1e-6])
def test_states_that_bounded_layers_cause_may_grow(tolerance: float) -> None:
    """A linear readout of hard sigmoids is bounded; two linear layers that amplify are not."""
    for first, status in ((HardSigmoid(), Status.EXHAUSTED), (Identity(), Status.DIVERGED)):
        layers = [Layer("s1", (3,), first), Layer("s2", (3,), Identity())]
        coupling = Coupling(0, 1, {"linear": Linear((3,), 3, bias=False)})
        energy = HopfieldEnergy(layers, {"s1_s2": coupling}, {"u": Drive(0)}).double()
        coupling.ops["linear"].weight.data.copy_(2 * torch.eye(3))
        drive = torch.full((1, 3), 1e-4, dtype=torch.float64)
        found, _ = relaxed(energy, [drive], settings(energy, sweeps=5, tolerance=tolerance))
        assert found.status.tolist() == [status]


@pytest.mark.parametrize("tolerance", [0.0, 1e-6])
@pytest.mark.parametrize("rate", [10.0, float("nan")])
def test_divergence_of_one_sample_is_its_own(rate: float, tolerance: float) -> None:
    solution = relax(*affine(rate, 0.5), Relaxation(60, tolerance, ONE_LAYER))
    assert solution.status[0] == Status.DIVERGED
    assert solution.status[1] != Status.DIVERGED
    assert torch.allclose(solution.state[0][1], torch.tensor(2.0, dtype=torch.float64), rtol=1e-4)


def test_damping_moves_no_fixed_point_and_tames_a_cycle() -> None:
    damped = Relaxation(200, 1e-12, Sweeps(((0,),), damping=0.5))
    solution = relax(*affine(-1.0), damped)
    assert solution.status.tolist() == [Status.CONVERGED]
    assert torch.allclose(solution.state[0], torch.full((1, 3), 0.5, dtype=torch.float64))


@pytest.mark.parametrize("order", ["synchronous", "asynchronous", "forward", "backward"])
def test_every_order_reaches_the_same_fixed_point(order: str) -> None:
    energy = chain_energy([5, 6, 4, 3], Tanh())
    drives = [normal(4, 5)]
    start = zero_state(energy, 4, drives[0])
    expected = relax(dynamics_of(energy, drives), start, settings(energy))
    found = relax(dynamics_of(energy, drives), start, settings(energy, order=order))
    assert (found.status == Status.CONVERGED).all()
    for s, reference in zip(found.state, expected.state, strict=True):
        assert torch.allclose(s, reference, atol=1e-12)


def test_frozen_routing_is_that_of_its_sweep() -> None:
    energy = max_pooled_energy()
    drives = [normal(2, 2, 6, 6)]
    start = zero_state(energy, 2, drives[0])
    early = relax(dynamics_of(energy, drives), start, settings(energy, 3, 0.0))
    _, dynamics = relaxed(energy, drives, settings(energy, 50, 0.0, freeze_after=3))
    held = dynamics.routings(early.state)
    for index, routing in bound(energy, drives).routings(early.state).items():
        assert all(torch.equal(a, b) for a, b in zip(held[index], routing, strict=True))


def test_the_start_is_not_changed() -> None:
    energy = chain_energy([3, 2], Tanh())
    start = zero_state(energy, 2, normal(1))
    relax(dynamics_of(energy, [normal(2, 3)]), start, settings(energy))
    assert all((s == 0).all() for s in start)


def spread(batch: int) -> list[Tensor]:
    """Drives of very different strengths, so that samples take unlike numbers of sweeps."""
    strengths = torch.logspace(-2, 0.7, batch, dtype=torch.float64).view(-1, 1, 1, 1)
    return [normal(batch, 2, 6, 6) * strengths]


@pytest.mark.parametrize("frozen_after", [-1, 4])
def test_rows_that_ended_are_gathered_and_change_nothing(frozen_after: int) -> None:
    """Samples that converge at different sweeps, in one batch and each alone."""
    energy = convolutional_energy() if frozen_after < 0 else max_pooled_energy()
    drives = spread(6)
    plan = settings(energy, 200, 1e-9, freeze_after=frozen_after)
    together, _ = relaxed(energy, drives, plan)
    assert len(set(together.sweeps.tolist())) > 1
    assert (together.status == Status.CONVERGED).all()
    for k in range(6):
        row = [drives[0][k : k + 1]]
        alone, _ = relaxed(energy, row, plan)
        assert together.sweeps[k] == alone.sweeps[0]
        for s, reference in zip(together.state, alone.state, strict=True):
            assert torch.allclose(s[k : k + 1], reference, rtol=1e-12, atol=1e-14)


def test_routing_is_frozen_at_the_state_where_a_sample_ended() -> None:
    energy, drives = max_pooled_energy(Tanh(0.3)), spread(6)
    solution, dynamics = relaxed(energy, drives, settings(energy, 60, 3e-3, freeze_after=9))
    early = solution.sweeps < 9
    assert early.any()
    assert not early.all()
    held = dynamics.routings(solution.state)
    for index, routing in bound(energy, drives).routings(solution.state).items():
        for frozen, choice in zip(held[index], routing, strict=True):
            assert torch.equal(frozen[early], choice[early])


def test_a_start_at_zero_may_be_announced() -> None:
    energy = max_pooled_energy()
    drives = [normal(3, 2, 6, 6)]
    start = zero_state(energy, 3, drives[0])
    told = relax(dynamics_of(energy, drives, from_zero=True), start, settings(energy, 5, 0.0))
    untold = relax(dynamics_of(energy, drives), start, settings(energy, 5, 0.0))
    for s, reference in zip(told.state, untold.state, strict=True):
        assert torch.equal(s, reference)
