"""Phases whose first sweeps are in a lower precision."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ffebm_dsl.physics.energy import (
    HardSigmoid,
    HopfieldDynamics,
    HopfieldEnergy,
    Identity,
    Precision,
)
from ffebm_dsl.physics.energy.precision import Format
from ffebm_dsl.physics.relaxation import Relaxation, Solution, Status, relax, sweep_to_rest
from ffebm_dsl.physics.relaxation.samples import Samples
from tests.problems import chain_energy, convolutional_energy, max_pooled_energy, settings

LOW = (Precision.TF32, Precision.BF16)


def drives(samples: int = 4, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    u = torch.randn(samples, 2, 6, 6, dtype=torch.float64, generator=generator)
    return [(u * torch.logspace(-1, 1, samples, dtype=u.dtype).view(-1, 1, 1, 1)).to(dtype)]


def drives64() -> list[Tensor]:
    return drives(dtype=torch.float64)


class Seen(HopfieldDynamics):
    """Notes in which format each sweep multiplied."""

    def __init__(self, energy: HopfieldEnergy, u: list[Tensor]) -> None:
        super().__init__(energy, u)
        self.formats: list[Precision] = []
        self.renewed: list[int] = []
        self._now = Precision.FULL

    def multiply_in(self, number_format: Format | None) -> None:
        super().multiply_in(number_format)
        self.renewed.append(len(self.formats))
        self._now = number_format.precision if number_format else Precision.FULL

    def update(self, state: Sequence[Tensor], layer: int) -> Tensor:
        if layer == 0:
            self.formats.append(self._now)
        return super().update(state, layer)


def solve(
    plan: Callable[[HopfieldEnergy], Relaxation],
    u: list[Tensor],
    make: Callable[[], HopfieldEnergy] = convolutional_energy,
) -> tuple[Solution, Seen]:
    energy = make().to(u[0].dtype)
    dynamics = Seen(energy, u)
    with torch.no_grad():
        return relax(dynamics, energy.zero_state(len(u[0]), u[0]), plan(energy)), dynamics


def apart(a: Solution, b: Solution) -> float:
    pairs = zip(a.state, b.state, strict=True)
    return max(float((s.double() - t.double()).norm() / t.double().norm()) for s, t in pairs)


@pytest.mark.parametrize("precision", LOW)
def test_the_last_sweeps_are_full(precision: Precision) -> None:
    found, dynamics = solve(
        lambda e: replace(settings(e, 9, 0.0), precision=precision, finish=3), drives()
    )
    assert dynamics.formats == [precision] * 6 + [Precision.FULL] * 3
    assert dynamics.renewed == [0, 3, 6]
    assert found.sweeps.tolist() == [9] * 4


@pytest.mark.parametrize("precision", LOW)
def test_rounding_is_felt_and_further_stages_take_it_away(precision: Precision) -> None:
    errors = {}
    for sweeps in (4, 60):
        exact, _ = solve(functools.partial(settings, sweeps=sweeps, tolerance=0.0), drives64())
        plan = lambda e, sweeps=sweeps: replace(  # noqa: E731
            settings(e, sweeps, 0.0), precision=precision, finish=1
        )
        errors[sweeps] = apart(solve(plan, drives())[0], exact)
    assert 1e-6 < errors[4] < precision.roundoff
    # The second stage knew the products near the fixed point.
    assert errors[60] < 0.03 * errors[4]


@pytest.mark.parametrize("precision", LOW)
def test_to_a_tolerance_samples_come_to_the_full_fixed_point(precision: Precision) -> None:
    plan = lambda e: replace(settings(e, 200, 1e-6), precision=precision)  # noqa: E731
    exact, _ = solve(lambda e: settings(e, 400, 1e-12), drives64())
    found, _ = solve(plan, drives())
    assert (found.status == Status.CONVERGED).all()
    assert (found.residual < 1e-6).all()
    assert apart(found, exact) < 1e-5
    # Each sample as if it were alone: how long the others take is nothing to it.
    for k in range(4):
        alone, _ = solve(plan, [drives()[0][k : k + 1]])
        assert alone.sweeps[0] == found.sweeps[k]
        for s, t in zip(alone.state, found.state, strict=True):
            assert torch.allclose(s[0], t[k], atol=1e-6)


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "every eight sweeps"])
def test_a_sample_ends_when_its_budget_is_used(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    init = Samples.__init__

    def waiting(self: Samples, *arguments: object) -> None:
        init(self, *arguments)  # type: ignore[arg-type]
        self._waits = waits

    monkeypatch.setattr(Samples, "__init__", waiting)
    energy, u, budget = convolutional_energy().float(), drives(), torch.tensor([2, 11, 12, 3])
    start, plan = energy.zero_state(4, u[0]), settings(energy, 12, 1e-30)
    with torch.no_grad():
        found = sweep_to_rest(HopfieldDynamics(energy, u), start, plan, budget)
        for k, sweeps in enumerate(budget.tolist()):
            alone = HopfieldDynamics(energy, [u[0][k : k + 1]])
            expected = sweep_to_rest(
                alone, energy.zero_state(1, u[0]), settings(energy, sweeps, 1e-30)
            )
            own = replace(found, state=[s[k : k + 1] for s in found.state])
            assert apart(own, expected) < 1e-6
    assert found.sweeps.tolist() == budget.tolist()
    assert (found.status == Status.EXHAUSTED).all()


def test_both_stages_share_the_sweeps() -> None:
    plan = lambda e: replace(  # noqa: E731
        settings(e, 12, 1e-30), precision=Precision.BF16, finish=2
    )
    found, dynamics = solve(plan, drives())
    assert found.sweeps.tolist() == [12] * 4
    assert (found.status == Status.EXHAUSTED).all()
    assert dynamics.formats.count(Precision.BF16) <= 10
    assert dynamics.formats[-1] == Precision.FULL


@pytest.mark.parametrize(
    "changed",
    [
        {"precision": Precision.FULL},
        {"precision": Precision.BF16, "finish": 9},
        {"precision": Precision.TF32, "finish": 20},
    ],
    ids=str,
)
def test_nothing_lowered_nothing_changed(changed: dict[str, object]) -> None:
    found, dynamics = solve(lambda e: replace(settings(e, 9, 0.0), **changed), drives())  # type: ignore[arg-type]
    energy = convolutional_energy().float()
    u = drives()
    with torch.no_grad():
        start = energy.zero_state(4, u[0])
        expected = sweep_to_rest(HopfieldDynamics(energy, u), start, settings(energy, 9, 0.0))
    assert set(dynamics.formats) == {Precision.FULL}
    for s, t in zip(found.state, expected.state, strict=True):
        assert torch.equal(s, t)


def test_float64_is_never_lowered() -> None:
    u = drives(dtype=torch.float64)
    lowered, dynamics = solve(lambda e: replace(settings(e, 9, 0.0), precision=Precision.BF16), u)
    plain, _ = solve(lambda e: settings(e, 9, 0.0), u)
    assert set(dynamics.formats) == {Precision.FULL}
    assert all(torch.equal(s, t) for s, t in zip(lowered.state, plain.state, strict=True))


@pytest.mark.parametrize("after", [0, 3, 6, 8])
def test_routing_is_frozen_after_the_same_sweep(after: int) -> None:
    frozen: list[int] = []

    class Freezing(Seen):
        def freeze_routing(self, state: object) -> None:
            frozen.append(len(self.formats))
            super().freeze_routing(state)  # type: ignore[arg-type]

    energy, u = max_pooled_energy(HardSigmoid()).float(), drives()
    dynamics = Freezing(energy, u)
    plan = settings(energy, 10, 0.0, routing_after=after)
    plan = replace(plan, precision=Precision.BF16, finish=4)
    with torch.no_grad():
        relax(dynamics, energy.zero_state(4, u[0]), plan)
    assert frozen == [after]
    assert dynamics.routings is not None


def growing_energy() -> HopfieldEnergy:
    energy = chain_energy((6, 6), Identity())
    with torch.no_grad():
        energy.couplings["s0_s1"].ops["linear"].weight.copy_(1.2 * torch.eye(6))
    return energy


def test_what_diverges_in_the_first_stage_has_diverged() -> None:
    u = [drives()[0].flatten(1)[:, :6]]
    lowered = lambda e: replace(settings(e, 40, 0.0), precision=Precision.BF16, finish=2)  # noqa: E731
    found, _ = solve(lowered, u, growing_energy)
    # The two sweeps of the finish alone would not show it.
    assert (found.status == Status.DIVERGED).all()
