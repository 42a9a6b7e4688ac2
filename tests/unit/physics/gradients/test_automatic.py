"""``beta = auto``: the measured strength is as good as the best of its neighbours."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.shifted_sigmoid import ShiftedSigmoid
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.ep import (
    EquilibriumPropagation,
    HolomorphicPropagation,
    StencilPropagation,
)
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.physics.gradients import LinearCost
from ffebm_dsl.physics.gradients.automatic import choose_beta
from ffebm_dsl.physics.gradients.contrast import nudged_phases
from ffebm_dsl.physics.hardware.quantise import quantise
from ffebm_dsl.physics.interfaces import (
    Activation,
    AutomaticEstimator,
    ContrastiveEstimator,
    Draws,
    Equilibrium,
    GradientEstimate,
    PreActivationNoise,
)
from tests.problems import block, chain_energy, normal, weights_of

BATCH, REPEATS = 8, 8
CENTERED, POSITIVE = EquilibriumPropagation(1.0), EquilibriumPropagation(1.0, "positive")


def equilibrium(activation: Activation, noise: float) -> tuple[Equilibrium, LinearCost, Tensor]:
    """An exact free state, whose nudged phases have noise."""
    energy, drive = chain_energy((12, 10, 6), activation), normal(BATCH, 12, seed=3)
    core = block(energy)
    bound = energy.bind([drive], weights_of(energy))
    nudged = replace(
        core.settings.nudged, sweeps=30, tolerance=0.0, noise=(PreActivationNoise(noise),)
    )
    found = Equilibrium(
        bound,
        tuple(core.solve(drive)[0].state),
        core.settings.free,
        nudged,
        lambda bound: core.solve(drive)[0].state,
        draws=Draws(5, BATCH, 0, BATCH, 12),
    )
    cost = LinearCost({2: 0.3 * normal(BATCH, 6, seed=7)})
    return found, cost, torch.full((BATCH,), 1 / BATCH, dtype=torch.float64)


def joined(found: GradientEstimate) -> Tensor:
    return torch.cat([g.flatten() for g in (*found.weights.values(), *found.drives)])


class Errors:
    """Mean squared errors of a contrast's estimates, over other noise than was measured with."""

    def __init__(self, contrast: ContrastiveEstimator, at: Equilibrium, cost: LinearCost) -> None:
        self._contrast, self._at, self._cost = contrast, at, cost
        self._weights = torch.full((BATCH,), 1 / BATCH, dtype=torch.float64)
        quiet = replace(at, nudged=replace(at.nudged, noise=(), sweeps=500, tolerance=1e-14))
        self.exact = joined(Implicit(1e-13, 1000).estimate(quiet, cost, self._weights))

    def __call__(self, reach: float) -> float:
        total = 0.0
        for seed in range(REPEATS):
            at = replace(self._at, draws=Draws(1000 + seed, BATCH, 0, BATCH, 12))
            found = self._contrast.reaching(reach).estimate(at, self._cost, self._weights)
            total += float((joined(found) - self.exact).square().sum())
        return total / REPEATS


def around(reach: float, cost: LinearCost) -> list[float]:
    """Strengths from a tenth of ``reach`` to ten times it, up to a force of 2.

    The error has one minimum: were it further off, that of the nearest end would be less.
    """
    largest = 2.0 / float(cost.cotangents[2].abs().max())
    return [min(largest, reach * 10 ** (k / 4)) for k in (-4, -3, -2, -1, 1, 2, 3, 4)]


def within_twice_the_best(errors: Errors, chosen: float, cost: LinearCost) -> bool:
    others = {reach: errors(reach) for reach in around(chosen, cost)}
    return errors(chosen) < 2 * min(others.values())


@pytest.mark.parametrize("noise", [0.0003, 0.003, 0.03])
@pytest.mark.parametrize(
    ("activation", "contrast"),
    [
        (Tanh(0.5), CENTERED),
        (ShiftedSigmoid(), POSITIVE),
        (HardSigmoid(0.5), CENTERED),
        pytest.param(Tanh(0.5), HolomorphicPropagation(1.0, 6), marks=pytest.mark.slow),
        pytest.param(ShiftedSigmoid(), StencilPropagation(1.0, 4), marks=pytest.mark.slow),
    ],
    ids=["centered", "positive", "kinks", "points", "stencil"],
)
def test_its_squared_error_is_within_twice_the_best(
    activation: Activation, contrast: ContrastiveEstimator, noise: float
) -> None:
    at, cost, weights = equilibrium(activation, noise)
    errors = Errors(contrast, at, cost)
    chosen = choose_beta(contrast, at, cost, weights)
    assert within_twice_the_best(errors, chosen, cost)


@pytest.mark.parametrize("error", ["converter", "offset"])
def test_it_counts_errors_of_reading(error: str) -> None:
    """A converter sees nothing of weak nudges: by them the gradient would be 0."""
    at, cost, weights = equilibrium(HardSigmoid(0.5), 0.0)

    def read(layer: int, s: Tensor) -> Tensor:
        free = at.state[layer].repeat(len(s) // BATCH, 1)
        return free + quantise(s - free, -1.0, 1.0, 65)

    def measured(
        found: dict[str, Tensor], contrast: ContrastiveEstimator, _: Tensor
    ) -> dict[str, Tensor]:
        return {name: g + 0.01 / contrast.reach for name, g in found.items()}

    device = {"read": read} if error == "converter" else {"measured": measured}
    errors = Errors(CENTERED, replace(at, **device), cost)
    chosen = choose_beta(CENTERED, replace(at, **device), cost, weights)
    grid = [2.0 / float(cost.cotangents[2].abs().max()) / 2**k for k in range(8)]
    assert errors(chosen) < 2 * min(map(errors, grid))


def test_without_noise_rounding_keeps_the_nudge_from_vanishing() -> None:
    at, cost, weights = equilibrium(Tanh(0.5), 0.0)
    errors = Errors(CENTERED, at, cost)
    chosen = choose_beta(CENTERED, at, cost, weights)
    assert within_twice_the_best(errors, chosen, cost)


def test_few_units_cross_a_kink_where_noise_allows_it() -> None:
    at, cost, weights = equilibrium(HardSigmoid(0.5), 0.0)
    chosen = choose_beta(CENTERED, at, cost, weights)
    quiet = replace(at, nudged=replace(at.nudged, noise=()))
    up, down = nudged_phases(quiet, cost, [chosen, -chosen]).values()
    pairs = zip(at.bound.layers, up.state, down.state, strict=True)
    assert not any(layer.activation.crossed(a, b).any() for layer, a, b in pairs)


def test_a_cost_without_a_cotangent_leaves_the_strength_as_it_is() -> None:
    at, _, weights = equilibrium(Tanh(0.5), 0.01)
    nothing = LinearCost({2: torch.zeros(BATCH, 6, dtype=torch.float64)})
    assert choose_beta(CENTERED, at, nothing, weights) == CENTERED.reach


def test_a_block_measures_a_force_once_and_anew_when_told() -> None:
    """Of cotangents three times as large the strength is a third, until it is told."""
    energy = chain_energy((6, 5, 4), Tanh(0.5))
    core = block(energy, AutomaticEstimator(CENTERED))
    assert float(core.state_dict()["reach"]) == 0
    drive = normal(3, 6, seed=3)

    def step(factor: float = 1.0) -> tuple[float, float]:
        out = core(drive)
        (factor * out.square().mean(0).sum()).backward()
        assert core.reach is not None and core.strength is not None
        force, strength = float(core.reach), float(core.strength)
        assert core.estimator == CENTERED.reaching(strength)
        largest = float((2 * factor * out.detach()).abs().max())
        assert strength * largest == pytest.approx(force)
        return force, strength

    force, strength = step()
    assert force > 0
    with torch.no_grad():
        for parameter in energy.parameters():
            parameter.mul_(1.5)
    assert step()[0] == force != strength
    again, weaker = step(3.0)
    assert again == force and weaker == pytest.approx(step()[1] / 3)
    core.measure_anew()
    assert core.reach is not None and float(core.reach) == 0
    assert step()[0] > 0


def test_without_a_cotangent_a_block_measures_nothing() -> None:
    core = block(chain_energy((6, 5, 4), Tanh(0.5)), AutomaticEstimator(CENTERED))
    (0 * core(normal(3, 6, seed=3))).sum().backward()
    assert core.reach is not None and float(core.reach) == 0
    assert core.estimator == core.settings.estimator
