"""An energy block behaves like any other module, and keeps its contract about the batch."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.physics.gradients.finite_differences import directions, project, smooth_differences
from ffebm_dsl.physics.network import EnergyBlock
from tests.problems import block, chain_energy, normal


def dense_block(*sizes: int, seed: int = 0) -> EnergyBlock:
    return block(chain_energy(sizes, Tanh(), seed), EquilibriumPropagation(1e-4))


def sandwich() -> nn.Sequential:
    """Digital maps and energy blocks in a plain `nn.Sequential`."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 5),
        dense_block(5, 6, 4),
        nn.BatchNorm1d(4),
        nn.Linear(4, 3),
        dense_block(3, 4, seed=1),
        nn.Linear(4, 2),
    ).double()


def test_inside_a_sequential_against_finite_differences() -> None:
    model, x, y = sandwich(), normal(6, 4, seed=1), torch.tensor([0, 1, 1, 0, 1, 0])
    nn.functional.cross_entropy(model(x), y).backward()
    for name, parameter in model.named_parameters():
        point = parameter.detach().clone()

        def value(offset: Tensor, parameter: Tensor = parameter, point: Tensor = point) -> float:
            with torch.no_grad():
                parameter.copy_(point + offset)
                loss = float(nn.functional.cross_entropy(model(x), y))
                parameter.copy_(point)
            return loss

        rows = directions(point, 4, torch.Generator().manual_seed(0))
        found = smooth_differences(value, value(torch.zeros_like(point)), rows)
        assert parameter.grad is not None
        assert found.set_aside == 0
        assert torch.allclose(project(parameter.grad, rows), found.slopes, atol=1e-6), name


def test_a_batch_twice_gives_the_same_mean_gradient() -> None:
    model, x = dense_block(4, 5, 3), normal(3, 4)

    def gradient(inputs: Tensor) -> list[Tensor]:
        loss = model(inputs).square().sum(1).mean()
        return list(torch.autograd.grad(loss, list(model.parameters())))

    for once, twice in zip(gradient(x), gradient(torch.cat([x, x])), strict=True):
        assert torch.allclose(once, twice, atol=1e-12)


def test_changing_a_saved_state_in_place_is_noticed() -> None:
    core = dense_block(4, 3)
    out = core(normal(2, 4))
    out.detach().mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_stepping_before_the_backward_pass_is_noticed() -> None:
    core = dense_block(4, 3)
    loss = core(normal(2, 4)).sum()
    with torch.no_grad():
        next(core.parameters()).add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_frozen_parameters_get_no_gradient() -> None:
    core = dense_block(4, 5, 3)
    frozen = core.energy.couplings["s0_s1"].requires_grad_(False)
    core(normal(2, 4)).sum().backward()
    assert all(p.grad is None for p in frozen.parameters())
    assert all(p.grad is not None for p in core.energy.couplings["s1_s2"].parameters())


def test_no_grad_leaves_no_graph_and_reports_the_free_phase() -> None:
    core = dense_block(4, 3)
    with torch.no_grad():
        out = core(normal(2, 4))
    assert out.grad_fn is None
    assert [report.phase for report in core.reports] == ["free"]


def test_reports_name_both_nudged_phases() -> None:
    core = dense_block(4, 3)
    core(normal(2, 4)).sum().backward()
    assert [report.phase for report in core.reports] == ["free", "nudged", "nudged"]
    assert all(report.sweeps.shape == (2,) for report in core.reports)


def test_deepcopy_and_state_dict() -> None:
    core = dense_block(4, 5, 3)
    other = copy.deepcopy(core)
    other.load_state_dict(core.state_dict())
    x = normal(2, 4)
    assert torch.equal(core(x), other(x))


def test_autocast_does_not_reach_the_relaxation() -> None:
    energy = chain_energy([4, 3], HardSigmoid()).float()
    core = block(energy)
    x = normal(2, 4).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        drive = nn.functional.linear(x, torch.eye(4))
        assert drive.dtype == torch.bfloat16
        drive.requires_grad_()
        out = core(drive)
        out.sum().backward()
    assert out.dtype == torch.float32
    assert drive.grad is not None and drive.grad.dtype == torch.bfloat16
