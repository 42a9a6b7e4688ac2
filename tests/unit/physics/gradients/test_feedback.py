"""Scaled and asymmetric couplings: every estimator against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st
from torch import Tensor

from ffebm_dsl.constructs.activations.hard_sigmoid import HardSigmoid
from ffebm_dsl.constructs.activations.identity import Identity
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.aep import AsymmetricPropagation
from ffebm_dsl.constructs.gradients.ep import (
    VARIANTS,
    EquilibriumPropagation,
    HolomorphicPropagation,
    StencilPropagation,
)
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.constructs.ops.avg_pool2d import AvgPool2d
from ffebm_dsl.constructs.ops.conv2d import Conv2d
from ffebm_dsl.constructs.ops.flatten import Flatten
from ffebm_dsl.constructs.ops.linear import Linear
from ffebm_dsl.constructs.ops.max_pool2d import MaxPool2d
from ffebm_dsl.language.registry import INITIALISERS
from ffebm_dsl.physics.energy import Coupling, Drive, HopfieldEnergy
from ffebm_dsl.physics.energy.hopfield import BoundHopfield
from ffebm_dsl.physics.interfaces import Activation, ContrastiveEstimator, Estimator, Layer
from ffebm_dsl.physics.network import initialise
from ffebm_dsl.tools.checking.energy_promises import energy_promises
from tests.problems import block, generator, normal
from tests.unit.physics.gradients.test_estimators import (
    AGREEMENT,
    cost,
    differences,
    gradients,
    project,
    relative_errors,
)

FACTORS: Mapping[str, tuple[float | str, ...]] = {
    "scaled": (0.3, 0.5, 1.0, 0.15),
    "negative": (-0.3, 0.5, 1.0, -0.15),
    "own": ("own", "own", "own", "own"),
    "mixed": (0.5, "own", 1.0, 1.0),
}
"""The feedback of the pooled convolution, the dense coupling, the lateral and the skip one."""


def energy_of(
    kind: str, activation: Activation | None = None, pool: type | None = None
) -> HopfieldEnergy:
    """A pooled convolution, a dense coupling, a lateral one, a skip one, two drives.

    Where there is no energy, max pooling need not come to rest.
    """
    activation = activation or Tanh()
    pool = pool or (AvgPool2d if "own" in FACTORS[kind] else MaxPool2d)
    layers = [
        Layer("s1", (2, 6, 6), activation),
        Layer("s2", (3, 3, 3), activation),
        Layer("s3", (4,), Identity()),
    ]
    ends_and_ops = {
        "s1_s2": (
            0,
            1,
            {
                "conv2d": Conv2d((2, 6, 6), 3, 3, padding=1),
                "pool": pool((3, 6, 6), 2, stride=2),
            },
        ),
        "s2_s3": (1, 2, {"flatten": Flatten((3, 3, 3)), "linear": Linear((27,), 4)}),
        "s3_s3": (2, 2, {"linear": Linear((4,), 4)}),
        "s1_s3": (0, 2, {"flatten": Flatten((2, 6, 6)), "linear": Linear((72,), 4, bias=False)}),
    }
    couplings = {
        name: Coupling(*rest, feedback=feedback)  # type: ignore[arg-type]
        for (name, rest), feedback in zip(ends_and_ops.items(), FACTORS[kind], strict=True)
    }
    drives = {
        "u": Drive(0),
        "v": Drive(2, {"flatten": Flatten((2, 6, 6)), "linear": Linear((72,), 4)}),
    }
    energy = HopfieldEnergy(layers, couplings, drives).double()
    initialise(energy, partial(INITIALISERS["normal"].draw, std=0.1), generator(1))
    return energy


class OneDrive(torch.nn.Module):
    """A block both of whose drives are the same tensor."""

    def __init__(self, energy: HopfieldEnergy, estimator: Estimator) -> None:
        super().__init__()
        self.energy, self.core = energy, block(energy, estimator, outputs=(1, 2))

    def configure(self, estimator: Estimator) -> None:
        self.core.configure(estimator=estimator)

    def forward(self, drive: Tensor) -> Tensor:
        s2, s3 = self.core(drive, drive)
        return torch.cat([s2.flatten(1), s3], 1)


def aep(beta: float, variant: str = "centered") -> AsymmetricPropagation:
    return AsymmetricPropagation(EquilibriumPropagation(beta, variant))


AEP = {v: aep(1e-4, v) for v in VARIANTS}
EXACT = [Implicit(1e-14, 500), Unrolled(160)]


@pytest.mark.parametrize(
    ("kind", "activation"),
    [
        ("scaled", Tanh()),
        ("scaled", HardSigmoid(0.5)),
        ("own", HardSigmoid(0.5)),
        ("mixed", Tanh()),
    ],
    ids=str,
)
def test_against_finite_differences(kind: str, activation: Activation) -> None:
    """Two outputs of different weights, drives on layers of different weights."""
    core = OneDrive(energy_of(kind, activation), EXACT[0])
    drive = normal(2, 2, 6, 6, seed=3)
    expected = differences(core, drive)  # type: ignore[arg-type]
    estimators = [*EXACT, *AEP.values()]
    if kind == "scaled":
        estimators += [EquilibriumPropagation(1e-4), EquilibriumPropagation(1e-5, "positive")]
    one_sided = [AEP["positive"], AEP["negative"]]
    for estimator in estimators:
        core.configure(estimator)
        found = gradients(core, drive)  # type: ignore[arg-type]
        projected = [project(g, rows) for g, (rows, _) in zip(found, expected, strict=True)]
        errors = relative_errors(projected, [slopes for _, slopes in expected])
        allowed = (10 if estimator in one_sided else 1) * AGREEMENT
        assert max(errors) < allowed, f"{estimator}: {errors}"


@pytest.mark.parametrize("kind", FACTORS)
@pytest.mark.parametrize("pool", [MaxPool2d, AvgPool2d])  # the latter has complex states too
def test_what_is_computed_follows_from_the_pre_activations(kind: str, pool: type) -> None:
    energy = energy_of(kind, pool=pool)
    promises = list(energy_promises(energy, [(2, 6, 6), (2, 6, 6)], generator(2)))
    assert len(promises) >= 7
    assert not [p for p in promises if not p.kept]


def joined(core: torch.nn.Module, drive: Tensor) -> Tensor:
    return torch.cat([g.flatten() for g in gradients(core, drive)])  # type: ignore[arg-type]


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


@pytest.mark.parametrize("kind", FACTORS)
@pytest.mark.parametrize(
    ("variant", "order"), [("centered", 2.0), ("positive", 1.0), ("negative", 1.0)]
)
def test_order_of_the_bias_of_aep(kind: str, variant: str, order: float) -> None:
    core = OneDrive(energy_of(kind), EXACT[0])
    drive = normal(2, 2, 6, 6, seed=3)
    exact, errors = joined(core, drive), []
    for beta in (0.04, 0.02, 0.01):
        core.configure(aep(beta, variant))
        errors.append(float((joined(core, drive) - exact).norm()))
    observed = [torch.log2(torch.tensor(a / b)).item() for a, b in pairwise(errors)]
    assert all(abs(rate - order) < 0.2 for rate in observed), observed


@pytest.mark.parametrize("kind", FACTORS)
@pytest.mark.parametrize(
    ("plain", "order"),
    [
        (lambda beta: StencilPropagation(beta, 4), 4.0),
        (lambda beta: HolomorphicPropagation(beta, 4), 4.0),
        (lambda beta: HolomorphicPropagation(beta, 3), 3.0),
    ],
    ids=["stencil 4", "4 points", "3 points"],
)
def test_aep_by_other_phases(
    kind: str, plain: Callable[[float], ContrastiveEstimator], order: float
) -> None:
    core = OneDrive(energy_of(kind, pool=AvgPool2d), EXACT[0])
    drive = normal(2, 2, 6, 6, seed=3)
    exact, errors = joined(core, drive), []
    for beta in (0.06, 0.03):
        core.configure(AsymmetricPropagation(plain(beta)))
        errors.append(float((joined(core, drive) - exact).norm()))
    observed = torch.log2(torch.tensor(errors[0] / errors[1])).item()
    assert abs(observed - order) < 0.3, observed


def strong(energy: HopfieldEnergy) -> HopfieldEnergy:
    with torch.no_grad():
        for parameter in energy.parameters():
            parameter.mul_(2.0)
    return energy


def test_the_bias_of_ep_on_asymmetric_couplings_does_not_vanish_with_beta() -> None:
    core = OneDrive(strong(energy_of("own")), EXACT[0])
    drive = normal(2, 2, 6, 6, seed=3)
    exact, cosines = joined(core, drive), []
    for beta in (1e-1, 1e-2, 1e-4):
        core.configure(EquilibriumPropagation(beta))
        cosines.append(cosine(joined(core, drive), exact))
        core.configure(aep(beta))
        assert cosine(joined(core, drive), exact) > 0.9999
    assert max(cosines) < 0.995
    assert max(cosines) - min(cosines) < 1e-3


# Mutants --------------------------------------------------------------------------------


def error_of(kind: str, estimator: Estimator) -> float:
    core = OneDrive(energy_of(kind), EXACT[0])
    drive = normal(2, 2, 6, 6, seed=3)
    exact = joined(core, drive)
    core.configure(estimator)
    return float((joined(core, drive) - exact).norm() / exact.norm())


def test_a_missing_feedback_factor_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    ep = EquilibriumPropagation(1e-4)
    assert error_of("scaled", ep) < 1e-6
    monkeypatch.setattr(BoundHopfield, "layer_weights", (1.0, 1.0, 1.0))
    monkeypatch.setattr(HopfieldEnergy, "require_layer_weights", lambda self: (1.0, 1.0, 1.0))
    assert error_of("scaled", ep) > 0.1
    assert [
        p for p in energy_promises(energy_of("scaled"), [(2, 6, 6)] * 2, generator()) if not p.kept
    ]


def test_a_dropped_transposition_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = AEP["centered"]
    assert error_of("mixed", right) < 1e-6
    plain = BoundHopfield.dynamics
    monkeypatch.setattr(
        BoundHopfield,
        "displaced",
        lambda self, state, force, routings: plain(self, force, routings),
    )
    assert error_of("mixed", right) > 1e-3
    broken = energy_promises(energy_of("mixed"), [(2, 6, 6)] * 2, generator())
    assert [p for p in broken if not p.kept]


def test_a_way_back_by_the_weights_of_the_way_there_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def confused(self: Coupling, weights: object, forward: object, batch: object = None) -> object:
        return forward

    energy = energy_of("own")
    assert not [p for p in energy_promises(energy, [(2, 6, 6)] * 2, generator()) if not p.kept]
    right = energy.field(
        [0.1 * normal(1, *x.shape) for x in energy.layers], [normal(1, 2, 6, 6)] * 2
    )
    monkeypatch.setattr(Coupling, "bound_back", confused)
    wrong = energy.field(
        [0.1 * normal(1, *x.shape) for x in energy.layers], [normal(1, 2, 6, 6)] * 2
    )
    assert not torch.allclose(right[0], wrong[0])


# What it costs --------------------------------------------------------------------------


def test_symmetric_couplings_have_one_chain_for_both_ways() -> None:
    energy = energy_of("mixed")
    bound = energy.bind([normal(2, 2, 6, 6)] * 2, dict(energy.weights()))
    assert isinstance(bound, BoundHopfield)
    assert [pair.there is pair.back for pair in bound.couplings] == [False, False, True, True]


def test_aep_never_forms_a_jacobian() -> None:
    """Two layers of a million units: their Jacobian would have 4 TB."""
    shape = (4, 512, 512)
    layers = [Layer("s1", shape, Tanh()), Layer("s2", shape, Tanh())]
    coupling = Coupling(0, 1, {"conv2d": Conv2d(shape, 4, 3, padding=1)}, feedback="own")
    energy = HopfieldEnergy(layers, {"s1_s2": coupling}, {"u": Drive(0)})
    core = block(energy, aep(0.1, "positive"), outputs=(1,))
    few = {
        phase: replace(getattr(core.settings, phase), sweeps=2, tolerance=0.0)
        for phase in ("free", "nudged")
    }
    core.configure(**few)
    drive = torch.ones(1, *shape)
    cost(core(drive)).backward()
    names = [name for name, p in energy.named_parameters() if p.grad is not None and p.grad.any()]
    assert [name.rpartition(".")[2] for name in names] == ["weight", "bias", "backward_weight"]


# Random graphs --------------------------------------------------------------------------


@st.composite
def networks(draw: st.DrawFn) -> HopfieldEnergy:
    """Dense layers in a random graph, its feedback drawn so that an energy exists, or not."""
    sizes = draw(st.lists(st.integers(2, 5), min_size=2, max_size=4))
    asymmetric = draw(st.booleans())
    weights = [draw(st.sampled_from([0.1, 0.5, 1.0, 2.0])) for _ in sizes]
    layers = [Layer(f"s{i}", (n,), Tanh(0.7)) for i, n in enumerate(sizes)]
    ends = [(i, i + 1) for i in range(len(sizes) - 1)]
    place = st.integers(0, len(sizes) - 1)
    ends += draw(st.lists(st.tuples(place, place), max_size=3))
    couplings = {}
    for k, (a, b) in enumerate(ends):
        own = asymmetric and draw(st.booleans())
        couplings[f"c{k}"] = Coupling(
            a,
            b,
            {"linear": Linear((sizes[a],), sizes[b])},
            feedback="own" if own else weights[b] / weights[a],
        )
    drives = {"u": Drive(0), "v": Drive(len(sizes) - 1, {"linear": Linear((3,), sizes[-1])})}
    energy = HopfieldEnergy(layers, couplings, drives).double()
    initialise(
        energy, partial(INITIALISERS["normal"].draw, std=0.25), generator(draw(st.integers(0, 99)))
    )
    return energy


@property_settings(
    max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(networks())
def test_random_graphs(energy: HopfieldEnergy) -> None:
    core = block(energy, EXACT[0])
    drives = [normal(3, *shape, seed=5 + i) for i, shape in enumerate(energy.drive_shapes)]
    inputs = [*energy.parameters(), *(u.requires_grad_() for u in drives)]

    def gradient(estimator: Estimator) -> list[Tensor]:
        core.configure(estimator=estimator)
        return list(torch.autograd.grad(cost(core(*drives)), inputs))

    exact = gradient(EXACT[0])
    estimators: list[Estimator] = [EXACT[1], AEP["centered"]]
    if energy.layer_weights is not None:
        estimators.append(EquilibriumPropagation(1e-4))
    scale = max(float(g.norm()) for g in exact)
    for estimator in estimators:
        for found, expected in zip(gradient(estimator), exact, strict=True):
            assert float((found - expected).norm()) < 1e-5 * scale, estimator
    with torch.no_grad():
        for tensor, expected in zip(inputs, exact, strict=True):
            row = torch.sign(normal(*tensor.shape, seed=7))
            before, values = tensor.detach().clone(), []
            for step in (1e-5, -1e-5):
                tensor.copy_(before + step * row)
                values.append(float(cost(core(*drives))))
            tensor.copy_(before)
            slope = (values[0] - values[1]) / 2e-5
            assert abs(slope - float((expected * row).sum())) < 1e-6 * max(scale, 1.0)
