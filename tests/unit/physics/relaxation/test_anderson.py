"""Anderson acceleration: fewer sweeps to the same fixed point, sample by sample, and safe."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.solvers.anderson import Anderson, Mixer
from ffebm_dsl.physics.energy import HopfieldEnergy
from ffebm_dsl.physics.energy.dynamics import HopfieldDynamics
from ffebm_dsl.physics.interfaces import PhaseSettings, Relaxation, Solution, Status
from ffebm_dsl.physics.layout import channels_last
from ffebm_dsl.physics.relaxation import carried, relax, schedule
from tests.problems import (
    accelerated as accelerated_by,
)
from tests.problems import (
    chain_energy,
    convolutional_energy,
    max_pooled_energy,
    normal,
    relaxed,
    settings,
    zero_state,
)
from tests.unit.physics.relaxation.test_relax import ONE_LAYER, Affine

CHAIN = [(0, 1), (1, 2), (2, 3)]


def accelerated(energy: HopfieldEnergy, plan: PhaseSettings, memory: int = 5) -> PhaseSettings:
    edges = [(c.source, c.target) for c in energy.couplings]
    return accelerated_by(plan, memory, carried(plan.schedule, edges))


def solve(energy: HopfieldEnergy, drives: list[Tensor], plan: PhaseSettings) -> Solution:
    return relaxed(energy, drives, plan)[0]


def stiff_chain(activation: Tanh | HardSigmoid) -> HopfieldEnergy:
    energy = chain_energy([5, 6, 4, 3], activation)
    for parameter in energy.parameters():
        parameter.data *= 1.2
    return energy


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("synchronous", (0, 1, 2, 3)),
        ("asynchronous", (1, 3)),
        ("asynchronous_reversed", (0, 2)),
        ("forward", (1, 2, 3)),
        ("backward", (0, 1, 2)),
    ],
)
def test_which_layers_a_sweep_reads(order: str, expected: tuple[int, ...]) -> None:
    assert carried(schedule(order, 4, CHAIN), CHAIN) == expected


def test_a_layer_coupled_to_itself_is_read() -> None:
    edges = [(0, 1), (0, 0)]
    assert carried(schedule("asynchronous", 2, edges), edges) == (0, 1)


@pytest.mark.parametrize("order", ["synchronous", "asynchronous", "forward"])
@pytest.mark.parametrize("activation", [Tanh(0.5), HardSigmoid(0.5)])
def test_half_the_sweeps_to_the_same_fixed_point(
    order: str, activation: Tanh | HardSigmoid
) -> None:
    energy, drives = stiff_chain(activation), [normal(6, 5)]
    plan = settings(energy, 500, 1e-11, order=order)
    plain, fast = solve(energy, drives, plan), solve(energy, drives, accelerated(energy, plan))
    assert (plain.status == Status.CONVERGED).all()
    assert (fast.status == Status.CONVERGED).all()
    assert 2 * fast.sweeps.sum() <= plain.sweeps.sum()
    for s, reference in zip(fast.state, plain.state, strict=True):
        assert torch.allclose(s, reference, atol=1e-8)


def test_an_affine_map_is_soon_solved() -> None:
    """Three contraction rates in a sample: three differences suffice, once it is near."""
    rates = torch.tensor([[0.9, 0.5, -0.8]], dtype=torch.float64)

    class Diagonal(Affine):
        def update(self, state: list[Tensor], layer: int) -> Tensor:  # type: ignore[override]
            return rates * state[layer] + 1.0

    start = [torch.zeros(1, 3, dtype=torch.float64)]
    plan = Relaxation(50, 1e-10, Anderson(3, (0,), ONE_LAYER))
    solution = relax(Diagonal(rates[0]), start, plan)
    assert solution.status.tolist() == [Status.CONVERGED]
    assert solution.sweeps.item() <= 25  # by plain sweeps it is 200
    assert torch.allclose(solution.state[0], 1 / (1 - rates), rtol=1e-8)


@pytest.mark.parametrize("frozen_after", [-1, 5])
def test_a_sample_does_not_depend_on_its_batch(frozen_after: int) -> None:
    energy = convolutional_energy() if frozen_after < 0 else max_pooled_energy()
    drives = [normal(5, 2, 6, 6) * torch.logspace(-2, 0.7, 5).double().view(-1, 1, 1, 1)]
    plan = settings(energy, 200, 1e-9, freeze_after=frozen_after)
    plan = accelerated(energy, plan)
    together = solve(energy, drives, plan)
    assert (together.status == Status.CONVERGED).all()
    for k in range(5):
        alone = solve(energy, [drives[0][k : k + 1]], plan)
        # Rounding differs with the size of a batch, and near rest it decides on the mixture.
        assert abs(together.sweeps[k] - alone.sweeps[0]) <= 2
        for s, reference in zip(together.state, alone.state, strict=True):
            assert torch.allclose(s[k : k + 1], reference, atol=1e-9)


def test_starts_stay_in_the_range_of_the_activations() -> None:
    seen: list[Tensor] = []

    class Watched(HopfieldDynamics):
        def admissible(self, layer: int, s: Tensor) -> Tensor:
            seen.append(super().admissible(layer, s))
            return seen[-1]

    energy = stiff_chain(HardSigmoid())
    plan = accelerated(energy, settings(energy, 60, 0.0))
    relax(
        Watched(energy.bind([3 * normal(6, 5)], energy.weights())),
        zero_state(energy, 6, normal(1)),
        plan,
    )
    assert len(seen) == 59 * 2
    assert all(float(s.min()) >= 0 and float(s.max()) <= 1 for s in seen)


@pytest.mark.parametrize("activation", [Tanh(0.7), HardSigmoid(0.7)])
def test_the_range_of_an_activation_holds_its_states(activation: Tanh | HardSigmoid) -> None:
    low, high = activation.range
    states = activation(torch.linspace(-50, 50, 101, dtype=torch.float64))
    assert float(states.min()) == pytest.approx(low)
    assert float(states.max()) == pytest.approx(high)


def test_a_step_that_grew_drops_the_history() -> None:
    mixer, g = Mixer(2), torch.full((2, 3), 10.0)
    mixer.next([g - 1.0], [g])
    mixer.next([g - 0.5], [g + 0.1])
    after = torch.stack([g[0] + 0.2, g[0] + 0.15])
    (start,) = mixer.next([torch.stack([g[0] - 0.7, g[0] - 0.15])], [after])
    assert torch.equal(start[0], after[0])  # its step grew: on as a plain sweep would
    assert not torch.allclose(start[1], after[1])


def test_far_from_rest_nothing_is_accelerated() -> None:
    mixer, g = Mixer(2), torch.ones(1, 3)
    mixer.next([g - 0.8], [g])
    (start,) = mixer.next([g - 0.5], [g + 0.1])
    assert torch.equal(start, g + 0.1)


def test_divergence_is_still_told() -> None:
    dynamics = Affine(torch.tensor([float("nan"), 0.5], dtype=torch.float64))
    start = [torch.zeros(2, 3, dtype=torch.float64)]
    solution = relax(dynamics, start, Relaxation(60, 1e-8, Anderson(4, (0,), ONE_LAYER)))
    assert solution.status.tolist() == [Status.DIVERGED, Status.CONVERGED]


def test_images_come_back_in_their_shape_and_layout() -> None:
    mixer = Mixer(2)
    image = channels_last(torch.arange(2 * 3 * 4 * 4.0).view(2, 3, 4, 4))
    states = [image, torch.ones(2, 5)]
    starts = mixer.next([torch.zeros_like(s) for s in states], states)
    for after, start in zip(states, starts, strict=True):
        assert torch.equal(after, start)
        assert after.stride() == start.stride()


def test_a_start_in_another_layout_is_the_same_start() -> None:
    image = torch.arange(2 * 3 * 4 * 4.0).view(2, 3, 4, 4)
    starts = []
    for layout in (channels_last, torch.Tensor.contiguous):
        mixer = Mixer(2)
        for step in (0.9, 0.4, 0.2):
            before = layout(100 + image)
            start = mixer.next([before], [channels_last(100 + image * (1 + step / 100))])
        starts.append(start[0])
    assert torch.equal(*starts)


def test_a_saddle_is_left() -> None:
    """Near a saddle of the energy a mixture would aim at it, and stay."""

    class Clipped(Affine):
        def update(self, state: Sequence[Tensor], layer: int) -> Tensor:
            return super().update(state, layer).clamp(-1, 1)

    dynamics = Clipped(torch.tensor([1.05], dtype=torch.float64), offset=0.0)
    start = [torch.full((1, 3), 1e-3, dtype=torch.float64)]
    plan = Relaxation(300, 1e-9, Anderson(2, (0,), ONE_LAYER))
    solution = relax(dynamics, start, plan)
    assert solution.status.tolist() == [Status.CONVERGED]
    assert (solution.state[0] == 1).all()
