"""The order in which a sweep updates the layers of a block.

A schedule is a tuple of groups of layer indices. The layers of a group are updated together,
from the same state, and the groups one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable

from ffebm_dsl.physics.interfaces import Schedule

ORDERS = ("synchronous", "asynchronous", "asynchronous_reversed", "forward", "backward")


def schedule(order: str, layers: int, edges: Iterable[tuple[int, int]]) -> Schedule:
    """The groups of one sweep.

    ``synchronous``: all layers at once. ``asynchronous``: even-indexed layers, then odd
    ones, where that separates all coupled layers; else the colours of a greedy colouring
    of the coupling graph (``edges``), so that no two coupled layers move together.
    ``asynchronous_reversed``: the same groups, last first. ``forward`` and ``backward``: one
    layer after the other. A layer coupled to itself moves from its own old state.

    Raises:
        ValueError: the order is not one of ``ORDERS``.
    """
    if order == "synchronous":
        return (tuple(range(layers)),)
    if order == "forward":
        return tuple((i,) for i in range(layers))
    if order == "backward":
        return tuple((i,) for i in reversed(range(layers)))
    groups = _colour_groups(layers, {(a, b) for a, b in edges if a != b})
    if order == "asynchronous":
        return groups
    if order == "asynchronous_reversed":
        return groups[::-1]
    raise ValueError(f"unknown order {order!r}; known orders: {', '.join(ORDERS)}")


def carried(groups: Schedule, edges: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """The layers whose old state a sweep reads: those with a neighbour that is updated no later.

    A sweep is a function of these alone. Under a two-coloured order they are the second colour.
    """
    place = {layer: k for k, group in enumerate(groups) for layer in group}
    both_ways = {pair for a, b in edges for pair in ((a, b), (b, a))}
    return tuple(sorted({old for old, reader in both_ways if place[reader] <= place[old]}))


def _colour_groups(layers: int, edges: set[tuple[int, int]]) -> Schedule:
    colours = [i % 2 for i in range(layers)]
    if any(colours[a] == colours[b] for a, b in edges):
        colours = _greedy_colouring(layers, edges)
    return tuple(
        tuple(i for i in range(layers) if colours[i] == colour) for colour in sorted(set(colours))
    )


def _greedy_colouring(layers: int, edges: set[tuple[int, int]]) -> list[int]:
    colours: list[int] = []
    for i in range(layers):
        taken = {colours[j] for j in range(i) if (i, j) in edges or (j, i) in edges}
        colours.append(min(set(range(i + 1)) - taken))
    return colours
