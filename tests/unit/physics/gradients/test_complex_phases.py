"""EP with complex nudges and with stencils: orders of the bias, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.holotanh import Holotanh
from ffebm_dsl.constructs.activations.sigmoid import Sigmoid
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.ep import (
    EquilibriumPropagation,
    HolomorphicPropagation,
    StencilPropagation,
)
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.physics.energy.complex_states import ComplexOp
from ffebm_dsl.physics.gradients import LossCost
from ffebm_dsl.physics.interfaces import Activation, ContrastiveEstimator, Equilibrium, Status
from ffebm_dsl.physics.network import EnergyBlock
from tests.problems import (
    accelerated,
    block,
    chain_energy,
    convolutional_energy,
    max_pooled_energy,
    normal,
    over_relaxed,
    weights_of,
)

Make = Callable[[float], ContrastiveEstimator]
ORDERS: list[tuple[Make, int, float]] = [
    *((lambda beta, n=n: HolomorphicPropagation(beta, n), n, 0.4) for n in (1, 2, 3, 4, 5, 6)),  # type: ignore[misc]
    *((lambda beta, n=n: StencilPropagation(beta, n), n, 0.2) for n in (2, 4, 6)),  # type: ignore[misc]
]


def cost(output: Tensor) -> Tensor:
    """Not linear, with cotangents of a usual loss's size."""
    return 0.2 * (torch.sin(output) + output.square()).flatten(1).sum(1).mean()


def gradient(core: EnergyBlock, drive: Tensor, estimator: Any) -> Tensor:
    core.configure(estimator=estimator)
    u = drive.clone().requires_grad_()
    found = torch.autograd.grad(cost(core(u)), [*core.energy.parameters(), u])
    return torch.cat([g.flatten() for g in found])


def observed_orders(core: EnergyBlock, drive: Tensor, make: Make, beta: float) -> list[float]:
    exact = gradient(core, drive, Implicit(1e-14, 500))
    errors = [float((gradient(core, drive, make(beta / 2**k)) - exact).norm()) for k in range(3)]
    return [torch.log2(torch.tensor(a / b)).item() for a, b in pairwise(errors)]


def smooth_block(activation: Activation) -> tuple[EnergyBlock, Tensor]:
    return block(chain_energy((6, 5, 4), activation)), normal(3, 6, seed=3)


@pytest.mark.parametrize(
    "activation", [Tanh(0.5), Sigmoid(3.0), Holotanh(0.5)], ids=["tanh", "sigmoid", "holotanh"]
)
@pytest.mark.parametrize(("make", "order", "beta"), ORDERS)
def test_order_of_the_bias_in_beta(
    make: Make, order: int, beta: float, activation: Activation
) -> None:
    core, drive = smooth_block(activation)
    found = observed_orders(core, drive, make, beta)
    assert abs(found[-1] - order) < 0.2, found


def test_a_conjugate_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contrast of ``b a^H`` in the place of ``b a^T`` has another order."""
    right = ComplexOp.weight_gradient

    def conjugated(self: ComplexOp, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return right(self, x.conj(), y)

    monkeypatch.setattr(ComplexOp, "weight_gradient", conjugated)
    core, drive = smooth_block(Tanh(0.5))
    found = observed_orders(core, drive, lambda beta: HolomorphicPropagation(beta, 4), 0.6)
    assert abs(found[-1] - 4) > 1


@pytest.mark.parametrize("points", range(1, 9))
def test_weights_of_the_phases_are_a_contrast(points: int) -> None:
    phases = HolomorphicPropagation(0.3, points).phases
    assert sum(phase.weight.real for phase in phases) == pytest.approx(0, abs=1e-12)
    slope = sum((phase.weight * phase.beta).real for phase in phases)
    assert slope == pytest.approx(1)
    kinds = [isinstance(phase.beta, complex) for phase in phases]
    assert kinds == sorted(kinds, reverse=True) and not kinds[-1]
    assert sum(1 + kind for kind in kinds) == max(points, 2)


def test_two_points_and_two_in_the_stencil_are_the_centered_variant() -> None:
    centered = EquilibriumPropagation(0.25).phases
    assert HolomorphicPropagation(0.25, 2).phases == centered
    assert StencilPropagation(0.25, 2).phases == centered


def test_senseless_settings_are_refused() -> None:
    for make in (
        lambda: HolomorphicPropagation(0.0, 4),
        lambda: HolomorphicPropagation(0.1, 0),
        lambda: StencilPropagation(0.1, 3),
        lambda: StencilPropagation(-0.1, 4),
    ):
        with pytest.raises(ValueError):
            make()


def test_a_convolutional_block() -> None:
    core, drive = block(convolutional_energy(Tanh(0.5))), normal(2, 2, 6, 6, seed=3)
    exact = gradient(core, drive, Implicit(1e-14, 500))
    found = gradient(core, drive, HolomorphicPropagation(0.2, 6))
    assert float((found - exact).norm() / exact.norm()) < 1e-8


def test_accelerated_sweeps_relax_complex_phases() -> None:
    core, drive = smooth_block(Tanh(0.5))
    plain = gradient(core, drive, HolomorphicPropagation(0.4, 5))
    nudged = core.settings.nudged
    for faster in (over_relaxed(nudged, 1.2), accelerated(nudged, 3, (0, 1, 2))):
        core.configure(nudged=faster)
        found = gradient(core, drive, HolomorphicPropagation(0.4, 5))
        assert torch.allclose(found, plain, rtol=1e-9, atol=1e-12)


def test_single_precision_stays_single() -> None:
    core, drive = smooth_block(Tanh(0.5))
    double = gradient(core, drive, HolomorphicPropagation(0.4, 4))
    single = gradient(core.float(), drive.float(), HolomorphicPropagation(0.4, 4))
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), double, rtol=1e-3, atol=1e-5)


def test_phases_are_reported_one_by_one_in_real_norms() -> None:
    core, drive = smooth_block(Tanh(0.5))
    core.configure(keep_states=True)
    gradient(core, drive, HolomorphicPropagation(0.4, 4))
    _, between, *ends = core.reports
    assert between.phase == "nudged" and between.state is not None
    assert all(s.is_complex() for s in between.state)
    assert all(not s.is_complex() for end in ends for s in end.state or ())
    for report in core.reports:
        assert not report.residual.is_complex()
        assert bool((report.status == Status.CONVERGED).all())


def test_what_is_not_holomorphic_is_named() -> None:
    estimator = HolomorphicPropagation(0.2, 4)
    with pytest.raises(ValueError, match="layer s1: HardSigmoid is not holomorphic"):
        gradient(block(convolutional_energy(HardSigmoid())), normal(2, 2, 6, 6), estimator)
    with pytest.raises(ValueError, match="MaxPool2d is not holomorphic"):
        gradient(block(max_pooled_energy(Tanh())), normal(2, 2, 6, 6), estimator)


def test_the_loss_itself_nudges_no_complex_states() -> None:
    core, drive = smooth_block(Tanh(0.5))
    bound = core.energy.bind([drive], weights_of(core.energy))
    state = tuple(core.solve(drive)[0].state)
    settings = core.settings
    equilibrium = Equilibrium(bound, state, settings.free, settings.nudged, lambda bound: state)
    loss = LossCost(2, lambda s, copies: s.square().sum(1), torch.nn.Identity())
    with pytest.raises(ValueError, match="nudge by the cotangent"):
        HolomorphicPropagation(0.2, 3).estimate(equilibrium, loss, torch.ones(3).double())
