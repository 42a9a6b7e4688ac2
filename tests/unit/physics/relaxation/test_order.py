from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffebm_dsl.physics.relaxation import ORDERS, schedule

CHAIN = [(0, 1), (1, 2), (2, 3)]


def test_orders_of_a_chain() -> None:
    assert schedule("synchronous", 4, CHAIN) == ((0, 1, 2, 3),)
    assert schedule("asynchronous", 4, CHAIN) == ((0, 2), (1, 3))
    assert schedule("asynchronous_reversed", 4, CHAIN) == ((1, 3), (0, 2))
    assert schedule("forward", 4, CHAIN) == ((0,), (1,), (2,), (3,))
    assert schedule("backward", 4, CHAIN) == ((3,), (2,), (1,), (0,))


def test_uncoupled_layers_still_go_by_parity() -> None:
    assert schedule("asynchronous", 4, [(0, 3)]) == ((0, 2), (1, 3))


def test_a_triangle_needs_three_colours() -> None:
    assert schedule("asynchronous", 3, [(0, 1), (1, 2), (0, 2)]) == ((0,), (1,), (2,))


def test_lateral_couplings_do_not_matter() -> None:
    assert schedule("asynchronous", 2, [(0, 1), (1, 1)]) == ((0,), (1,))


def test_unknown_order() -> None:
    with pytest.raises(ValueError, match="known orders"):
        schedule("random", 2, [])


@given(
    st.integers(1, 7).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)))
        )
    ),
    st.sampled_from(ORDERS),
)
def test_every_layer_once_and_no_coupled_pair_together(
    graph: tuple[int, list[tuple[int, int]]], order: str
) -> None:
    layers, edges = graph
    groups = schedule(order, layers, edges)
    assert sorted(i for group in groups for i in group) == list(range(layers))
    if order != "synchronous":
        assert not any(a != b and a in g and b in g for g in groups for a, b in edges)
