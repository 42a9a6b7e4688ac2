"""An energy block behaves like any other module, and keeps its contract about the batch."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from ffebm_dsl.physics.energy import HardSigmoid, Tanh
from ffebm_dsl.physics.gradients import EquilibriumPropagation, Implicit
from ffebm_dsl.physics.gradients.finite_differences import directions, project, smooth_differences
from ffebm_dsl.physics.network import EnergyBlock
from tests.problems import block, chain_energy, normal, settings


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


def test_reduction_decides_what_the_nudge_feels() -> None:
    """A summed loss with `reduction="sum"` nudges exactly as a mean one with "mean"."""
    energy, x = chain_energy([4, 5, 3], Tanh()), normal(8, 4)
    kinds = {}
    for reduction in ("mean", "sum"):
        core = EnergyBlock(
            energy,
            [2],
            settings(energy),
            settings(energy),
            EquilibriumPropagation(0.5),
            reduction=reduction,
        )
        losses = core(x).square().sum(1)
        loss = losses.mean() if reduction == "mean" else losses.sum()
        kinds[reduction] = torch.autograd.grad(loss, energy.trainable())
    for mean, total in zip(kinds["mean"], kinds["sum"], strict=True):
        assert torch.allclose(8 * mean, total, atol=1e-12)
    with pytest.raises(ValueError, match="reduction"):
        EnergyBlock(energy, [2], settings(energy), settings(energy), Implicit(), reduction="median")


def test_a_scaled_loss_leaves_beta_unchanged() -> None:
    """With the scale tied, a loss times 1000 gives 1000 times the gradient, to rounding.

    beta is so large that the bias of EP would show a change of beta at once.
    """
    core, x = block(chain_energy([4, 5, 3], Tanh()), EquilibriumPropagation(1.0)), normal(4, 4)

    def gradient(factor: float, tied: bool) -> Tensor:
        loss = core(x).square().sum(1).mean()
        if tied:
            loss = core.loss_scale.tie(loss)
        (found, *_) = torch.autograd.grad(factor * loss, list(core.parameters()))
        core.loss_scale.value = 1.0
        return found

    assert torch.allclose(gradient(1000.0, True), 1000 * gradient(1.0, True), rtol=1e-9)
    assert not torch.allclose(gradient(1000.0, False), 1000 * gradient(1.0, False), rtol=1e-2)
    assert gradient(0.0, True).eq(0).all()


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


def test_second_derivatives_are_refused() -> None:
    core, x = dense_block(4, 3), normal(2, 4).requires_grad_()
    (first,) = torch.autograd.grad(core(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError):
        torch.autograd.grad(first.sum(), x)


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
