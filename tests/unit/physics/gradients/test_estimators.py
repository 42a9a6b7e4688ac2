"""Every estimator against finite differences of the cost at equilibrium, on one block."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.relu import Relu
from ffebm_dsl.constructs.activations.sigmoid import Sigmoid
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.physics.energy import HopfieldEnergy
from ffebm_dsl.physics.gradients.finite_differences import directions, project, smooth_differences
from ffebm_dsl.physics.interfaces import Activation, Estimator
from ffebm_dsl.physics.network import EnergyBlock
from tests.problems import block, convolutional_energy, max_pooled_energy, normal

ESTIMATORS = [
    EquilibriumPropagation(1e-4, "centered"),
    EquilibriumPropagation(1e-5, "positive"),
    EquilibriumPropagation(1e-5, "negative"),
    Implicit(1e-14, 500),
    Unrolled(120),
]
AGREEMENT = 1e-4


def cost(output: Tensor) -> Tensor:
    """Something that depends on every entry and is not linear."""
    return (torch.sin(output) + output.square()).flatten(1).sum(1).mean()


def gradients(core: EnergyBlock, drive: Tensor) -> list[Tensor]:
    drive = drive.clone().requires_grad_()
    parameters = list(core.energy.parameters())
    return list(torch.autograd.grad(cost(core(drive)), [*parameters, drive]))


def differences(core: EnergyBlock, drive: Tensor) -> list[tuple[Tensor, Tensor]]:
    """For every tensor, directions and the derivatives of the cost along them.

    They pass through nothing but the free phase.
    """
    found = []
    for tensor in [*core.energy.parameters(), drive]:
        point = tensor.detach().clone()

        def value(offset: Tensor, tensor: Tensor = tensor, point: Tensor = point) -> float:
            with torch.no_grad():
                tensor.copy_(point + offset)
                result = float(cost(core(drive)))
                tensor.copy_(point)
            return result

        rows = directions(point, 6, torch.Generator().manual_seed(0))
        smooth = smooth_differences(value, value(torch.zeros_like(point)), rows)
        assert smooth.enough
        found.append((smooth.rows, smooth.slopes))
    return found


def relative_errors(found: list[Tensor], expected: list[Tensor]) -> list[float]:
    return [float((a - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True)]


@pytest.mark.parametrize(
    ("make", "activation"),
    [
        (convolutional_energy, Tanh()),
        (convolutional_energy, Sigmoid(2.0)),
        (convolutional_energy, HardSigmoid(0.5)),
        (max_pooled_energy, Relu(0.5)),
    ],
)
def test_against_finite_differences(
    make: Callable[[Activation], HopfieldEnergy], activation: Activation
) -> None:
    core = block(make(activation))
    drive = normal(2, 2, 6, 6, seed=3)
    expected = differences(core, drive)
    for estimator in ESTIMATORS:
        core.configure(estimator=estimator)
        projected = [
            project(g, rows) for g, (rows, _) in zip(gradients(core, drive), expected, strict=True)
        ]
        errors = relative_errors(projected, [slopes for _, slopes in expected])
        assert max(errors) < AGREEMENT, f"{estimator}: {errors}"


def test_the_comparison_sees_a_planted_error() -> None:
    core = block(convolutional_energy(), Implicit(1e-14, 500))
    drive = normal(2, 2, 6, 6, seed=3)
    right = gradients(core, drive)
    core.energy.couplings["s1_s2"].ops["conv2d"].weight.data.mul_(1.01)
    assert max(relative_errors(gradients(core, drive), right)) > AGREEMENT


@pytest.mark.parametrize(
    ("variant", "order"), [("centered", 2.0), ("positive", 1.0), ("negative", 1.0)]
)
def test_order_of_the_bias_in_beta(variant: str, order: float) -> None:
    core = block(convolutional_energy(), Implicit(1e-14, 500))
    drive = normal(2, 2, 6, 6, seed=3)
    exact = torch.cat([g.flatten() for g in gradients(core, drive)])
    errors = []
    for beta in (0.04, 0.02, 0.01):
        core.configure(estimator=EquilibriumPropagation(beta, variant))
        found = torch.cat([g.flatten() for g in gradients(core, drive)])
        errors.append(float((found - exact).norm()))
    observed = [torch.log2(torch.tensor(a / b)).item() for a, b in pairwise(errors)]
    assert all(abs(rate - order) < 0.2 for rate in observed), observed


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_two_outputs_and_a_repeated_one(estimator: Estimator) -> None:
    """Cotangents of several outputs add up, also of one layer handed out twice."""
    energy = convolutional_energy()
    drive = normal(2, 2, 6, 6, seed=3)
    several = block(energy, estimator, outputs=(1, 2, 2))
    a, b, c = several(drive)
    found = torch.autograd.grad(cost(a) + cost(b) + cost(c), list(energy.parameters()))
    pair = block(energy, Implicit(1e-14, 500), outputs=(1, 2))
    a, b = pair(drive)
    expected = torch.autograd.grad(cost(a) + 2 * cost(b), list(energy.parameters()))
    assert max(relative_errors(list(found), list(expected))) < AGREEMENT


def test_estimators_refuse_senseless_settings() -> None:
    for make in (
        lambda: EquilibriumPropagation(0.0),
        lambda: EquilibriumPropagation(0.1, "centred"),
        lambda: Implicit(tolerance=0.0),
        lambda: Unrolled(-1),
    ):
        with pytest.raises(ValueError):
            make()


def test_ep_memory_does_not_hold_a_graph() -> None:
    """No tensor that an EP step leaves behind carries an autograd history."""
    core = block(convolutional_energy())
    core.configure(keep_states=True)
    gradients(core, normal(2, 2, 6, 6))
    states = [s for report in core.reports for s in report.state or ()]
    assert states and all(s.grad_fn is None and not s.requires_grad for s in states)
