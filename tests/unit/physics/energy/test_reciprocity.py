"""Feedback factors with and without an energy, and the cycle that is named without one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.ops.avg_pool2d import AvgPool2d
from ffebm_dsl.constructs.ops.linear import Linear
from ffebm_dsl.physics.energy import Coupling, Drive, HopfieldEnergy
from ffebm_dsl.physics.interfaces import Cycle, Layer, layer_weights

FACTORS = st.sampled_from([0.1, 0.3, 0.5, 1.0, 2.0])
ENDS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8)


def test_weights_multiply_along_a_chain() -> None:
    assert layer_weights(4, [(0, 1, 0.5), (1, 2, 0.2), (2, 3, 0.1)]) == pytest.approx(
        (1.0, 0.5, 0.1, 0.01)
    )


def test_a_coupling_counts_by_its_direction() -> None:
    assert layer_weights(3, [(1, 0, 0.5), (1, 2, 0.1)]) == pytest.approx((1.0, 2.0, 0.2))


def test_parts_that_are_not_connected_are_weighted_apart() -> None:
    assert layer_weights(4, [(0, 1, 0.5), (3, 2, 0.5)]) == pytest.approx((1.0, 0.5, 1.0, 2.0))


@pytest.mark.parametrize(
    ("edges", "layers", "product"),
    [
        ([(0, 0, 0.5)], (0, 0), 0.5),  # a lateral coupling
        ([(0, 1, 0.5), (0, 1, 1.0)], (0, 1, 0), 2.0),  # parallel couplings
        ([(0, 1, 0.4), (1, 2, 0.25), (0, 2, 0.2)], (0, 2, 1, 0), 2.0),  # a skip coupling
    ],
)
def test_the_cycle_is_named(
    edges: list[tuple[int, int, float]], layers: tuple[int, ...], product: float
) -> None:
    found = layer_weights(3, edges)
    assert isinstance(found, Cycle)
    assert found.layers == layers
    assert found.product == pytest.approx(product)


@given(weights=st.lists(FACTORS, min_size=5, max_size=5), ends=ENDS)
def test_what_derives_from_weights_is_an_energy(
    weights: list[float], ends: list[tuple[int, int]]
) -> None:
    edges = [(a, b, weights[b] / weights[a]) for a, b in ends]
    found = layer_weights(5, edges)
    assert not isinstance(found, Cycle)
    assert all(math.isclose(found[b], k * found[a]) for a, b, k in edges)


@given(ends=ENDS, data=st.data())
def test_a_cycle_is_one_and_its_product_is_not_1(
    ends: list[tuple[int, int]], data: st.DataObject
) -> None:
    edges = [(a, b, data.draw(FACTORS)) for a, b in ends]
    found = layer_weights(5, edges)
    if not isinstance(found, Cycle):
        assert all(math.isclose(found[b], k * found[a]) for a, b, k in edges)
        return
    assert found.layers[0] == found.layers[-1]
    assert found.edges[0] == max(found.edges)
    assert len(set(found.edges)) == len(found.edges) == len(found.layers) - 1
    product = 1.0
    for k, here, there in zip(found.edges, found.layers, found.layers[1:], strict=False):
        a, b, feedback = edges[k]
        assert {a, b} == {here, there}
        product *= feedback if (a, b) == (here, there) else 1 / feedback
    assert math.isclose(product, found.product)
    assert not math.isclose(product, 1.0, rel_tol=1e-9)


def test_an_energy_names_its_layers() -> None:
    layers = [Layer(name, (3,), Tanh()) for name in ("s1", "s2")]
    couplings = {
        "a": Coupling(0, 1, {"linear": Linear((3,), 3)}, feedback=0.5),
        "b": Coupling(0, 1, {"linear": Linear((3,), 3)}),
    }
    with pytest.raises(ValueError, match="around s1 - s2 - s1 the feedback multiplies to 2"):
        HopfieldEnergy(layers, couplings, {"u": Drive(0)})


@pytest.mark.parametrize("feedback", [0.0, math.inf, math.nan, "mine"])
def test_a_feedback_that_is_none_is_refused(feedback: float | str) -> None:
    with pytest.raises(ValueError, match="a factor other than 0 or 'own'"):
        Coupling(0, 1, {"linear": Linear((3,), 3)}, feedback=feedback)


def test_no_weights_cannot_be_ones_own() -> None:
    with pytest.raises(ValueError, match="without weights"):
        Coupling(0, 1, {"pool": AvgPool2d((2, 4, 4), 2, stride=2)}, feedback="own")
