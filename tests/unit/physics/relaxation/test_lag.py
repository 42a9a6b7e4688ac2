"""Few convergence tests and few synchronisations with a device give the same result as many."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ffebm_dsl.physics.interfaces import Relaxation, Status
from ffebm_dsl.physics.relaxation import relax, to_tolerance
from ffebm_dsl.physics.relaxation.full_length import FullLength
from ffebm_dsl.physics.relaxation.to_tolerance import ToTolerance
from tests.problems import convolutional_energy, max_pooled_energy, relaxed, settings
from tests.unit.physics.relaxation.test_relax import ONE_LAYER, affine, spread


@pytest.fixture
def tested(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sweeps after which relaxations measure."""
    sweeps: list[int] = []
    for kind in (ToTolerance, FullLength):
        observe = kind.observe

        def noted(
            self: object,
            sweep: int,
            states: list[Tensor],
            change: Tensor,
            observe: object = observe,
        ) -> None:
            sweeps.append(sweep)
            observe(self, sweep, states, change)  # type: ignore[operator]

        monkeypatch.setattr(kind, "observe", noted)
    return sweeps


@pytest.mark.parametrize("frozen_after", [-1, 4, 60])
def test_samples_end_where_a_test_after_every_sweep_finds_them(
    monkeypatch: pytest.MonkeyPatch, tested: list[int], frozen_after: int
) -> None:
    energy = convolutional_energy() if frozen_after < 0 else max_pooled_energy()
    drives = spread(6)
    plan = settings(energy, 203, 1e-9, freeze_after=frozen_after)
    seldom, _ = relaxed(energy, drives, plan)
    tests = len(tested)
    monkeypatch.setattr(to_tolerance, "SELDOM", 10**9)
    always, _ = relaxed(energy, drives, plan)
    assert tests < len(tested) - tests
    assert torch.equal(seldom.sweeps, always.sweeps)
    assert torch.equal(seldom.status, always.status)
    for s, reference in zip(seldom.state, always.state, strict=True):
        assert torch.allclose(s, reference, rtol=1e-12, atol=1e-14)


def test_a_long_relaxation_is_tested_a_tenth_of_the_time(tested: list[int]) -> None:
    solution = relax(*affine(0.97), Relaxation(2000, 1e-12, ONE_LAYER))
    assert solution.status.tolist() == [Status.CONVERGED]
    assert solution.residual >= 0.97 * 1e-12
    assert 5 * len(tested) < solution.sweeps.item()


def test_a_phase_of_fixed_length_is_measured_midway_and_at_its_end(tested: list[int]) -> None:
    relax(*affine(0.9, -1.0, 10.0), Relaxation(12, 0.0, ONE_LAYER))
    assert tested == [6, 12]


def test_cycles_are_watched_for_in_the_last_sweeps_alone(tested: list[int]) -> None:
    solution = relax(*affine(-1.0), Relaxation(500, 1e-8, ONE_LAYER))
    assert solution.status.tolist() == [Status.CYCLING]
    assert set(range(500 - to_tolerance.WATCHED + 1, 501)) <= set(tested)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_on_a_gpu_as_on_the_cpu_in_double_precision(dtype: torch.dtype) -> None:
    energy, drives = max_pooled_energy(), spread(6)
    plan = settings(energy, 100, 1e-9 if dtype == torch.float64 else 1e-5, freeze_after=4)
    expected, _ = relaxed(energy, drives, plan)
    on_gpu = max_pooled_energy().to("cuda", dtype)
    moved = [u.to("cuda", dtype) for u in drives]
    found, _ = relaxed(on_gpu, moved, plan)
    tolerance = 1e-8 if dtype == torch.float64 else 1e-3
    for s, reference in zip(found.state, expected.state, strict=True):
        assert torch.allclose(s.double().cpu(), reference, rtol=tolerance, atol=tolerance)


def test_a_sample_that_still_grows_has_diverged_whatever_the_tolerance() -> None:
    for tolerance in (0.0, 1e-9):
        solution = relax(*affine(1.05, 0.5), Relaxation(100, tolerance, ONE_LAYER))
        assert solution.status[0] == Status.DIVERGED
        assert solution.status[1] != Status.DIVERGED
