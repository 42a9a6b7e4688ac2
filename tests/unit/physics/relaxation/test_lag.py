"""Where a look at the samples means waiting for a device, few looks give the same result."""

from __future__ import annotations

import pytest
import torch

from ffebm_dsl.physics.energy.dynamics import HopfieldDynamics
from ffebm_dsl.physics.relaxation import relax
from ffebm_dsl.physics.relaxation.samples import Samples
from tests.problems import (
    convolutional_energy,
    max_pooled_energy,
    relaxed,
    settings,
    zero_state,
)
from tests.unit.physics.relaxation.test_relax import spread


class Counting(HopfieldDynamics):
    sweeps = 0

    def moved(self, layer: int) -> None:
        super().moved(layer)
        self.sweeps += layer == 0


@pytest.mark.parametrize("frozen_after", [-1, 4, 60])
def test_a_host_that_looks_every_eight_sweeps(
    monkeypatch: pytest.MonkeyPatch, frozen_after: int
) -> None:
    energy = convolutional_energy() if frozen_after < 0 else max_pooled_energy()
    drives = spread(6)
    plan = settings(energy, 203, 1e-9, freeze_after=frozen_after)
    start = zero_state(energy, 6, drives[0])
    at_once, _ = relaxed(energy, drives, plan)
    init = Samples.__init__

    def waiting(self: Samples, *arguments: object) -> None:
        init(self, *arguments)  # type: ignore[arg-type]
        self._waits = True

    monkeypatch.setattr(Samples, "__init__", waiting)
    dynamics = Counting(energy.bind(drives, energy.weights()), freeze_after=frozen_after)
    late = relax(dynamics, start, plan)
    assert torch.equal(late.sweeps, at_once.sweeps)
    assert torch.equal(late.status, at_once.status)
    # The rows are gathered at other sweeps, and rounding may differ with their number.
    assert torch.allclose(late.residual, at_once.residual, rtol=1e-4)
    for s, reference in zip(late.state, at_once.state, strict=True):
        assert torch.allclose(s, reference, rtol=1e-12, atol=1e-14)
    assert dynamics.sweeps <= int(at_once.sweeps.max()) + 8


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
