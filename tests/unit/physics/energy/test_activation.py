"""Activations match their potentials: sigma is the inverse of grad G."""

from __future__ import annotations

import pytest
import torch

from ffebm_dsl.constructs.activations.clipped_relu import ClippedRelu
from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.identity import Identity
from ffebm_dsl.constructs.activations.relu import Relu
from ffebm_dsl.constructs.activations.sigmoid import Sigmoid
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.physics.interfaces import Activation

KINDS = [HardSigmoid, Identity, Relu, Sigmoid, Tanh]
SLOPES = [0.5, 1.0, 3.0]


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("kind", KINDS)
def test_state_minimises_potential_minus_field(kind: type[Activation], slope: float) -> None:
    """sigma(v) is where G(s) - v s is least, over a fine grid of admissible states."""
    activation = kind(slope)
    low, high = {HardSigmoid: (0, 1), Sigmoid: (0, 1), Tanh: (-1, 1), Relu: (0, 8)}.get(
        kind, (-8, 8)
    )
    grid = torch.linspace(low, high, 20001, dtype=torch.float64)
    for v in torch.linspace(-2.0, 2.0, 9, dtype=torch.float64):
        best = grid[(activation.potential(grid) - v * grid).argmin()]
        assert abs(float(best - activation(v))) < 2 * float(grid[1] - grid[0])


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("kind", KINDS)
def test_derivative_is_that_of_autograd(kind: type[Activation], slope: float) -> None:
    activation = kind(slope)
    v = torch.linspace(-2.05, 2.05, 42, dtype=torch.float64).requires_grad_()
    (expected,) = torch.autograd.grad(activation(v).sum(), v)
    assert torch.allclose(activation.derivative(v.detach()), expected, atol=1e-12)


def test_kinks_of_the_hard_sigmoid() -> None:
    v = torch.tensor([-0.5, 0.0, 0.5, 2.0, 3.0])
    assert HardSigmoid(0.5).kink_distance(v).tolist() == [0.5, 0.0, 0.5, 0.0, 1.0]
    assert Tanh().kink_distance(v).isinf().all()


def test_crossing_is_seen_on_either_side() -> None:
    hard = HardSigmoid()
    s, other = torch.tensor([0.0, 0.0, 0.4, 1.0]), torch.tensor([0.0, 0.1, 0.6, 0.9])
    assert hard.crossed(s, other).tolist() == [False, True, False, True]
    assert not Identity().crossed(s, other).any()


def test_slope_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        Tanh(0.0)


def test_a_clipped_relu_has_two_kinks_and_is_a_hard_sigmoid_at_one() -> None:
    v = torch.linspace(-1.0, 8.0, 37, dtype=torch.float64)
    six = ClippedRelu(slope=2.0, max=6.0)
    assert torch.equal(six(v), torch.nn.functional.relu6(2 * v))
    assert float(six.kink_distance(torch.tensor(3.0))) == 0.0
    assert torch.equal(ClippedRelu(max=1.0)(v), HardSigmoid()(v))
