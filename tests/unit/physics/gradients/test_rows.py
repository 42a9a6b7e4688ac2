"""Nudged samples that converge early leave the batch, for every kind of nudge."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ffebm_dsl.physics.gradients import LinearCost, LossCost, nudged_phases
from ffebm_dsl.physics.interfaces import Cost, Equilibrium
from tests.problems import block, convolutional_energy, normal


def costs(rows: slice) -> list[Cost]:
    strength = torch.logspace(-5, 0, 6, dtype=torch.float64)[rows]
    target = normal(6, 4, seed=5)[rows] * strength[:, None]

    def loss(s: Tensor, copies: int) -> Tensor:
        apart = (s - torch.cat([target] * copies)).square().sum(1)
        return (apart + s.pow(4).sum(1)) * torch.cat([strength] * copies)

    return [LinearCost({2: target}), LossCost(2, loss, nn.Identity())]


def nudged(rows: slice, which: int) -> dict[float, list[Tensor]]:
    core = block(convolutional_energy())
    drives = (normal(6, 2, 6, 6) * torch.logspace(-2, 0.7, 6).double().view(-1, 1, 1, 1),)
    drives = tuple(u[rows] for u in drives)
    state = tuple(core.solve(*drives)[0].state)
    plan = replace(core.settings.nudged, tolerance=1e-6)
    bound = core.energy.bind(drives, core.energy.weights())
    equilibrium = Equilibrium(bound, state, core.settings.free, plan, lambda bound: state)
    phases = nudged_phases(equilibrium, costs(rows)[which], [0.3, -0.3])
    swept = torch.cat([solution.sweeps for solution in phases.values()])
    assert rows != slice(None) or len(set(swept.tolist())) > 1
    return {beta: solution.state for beta, solution in phases.items()}


@pytest.mark.parametrize("which", [0, 1])
def test_each_sample_as_if_alone(which: int) -> None:
    together = nudged(slice(None), which)
    for k in range(6):
        for beta, state in nudged(slice(k, k + 1), which).items():
            for s, reference in zip(together[beta], state, strict=True):
                assert torch.allclose(s[k : k + 1], reference, rtol=1e-10, atol=1e-13)
