"""Conditions under which a block with feedback factors has an energy, and that energy.

A coupling from layer a to layer b with feedback k adds ``W s_a`` to the pre-activation of b and
``k W^T s_b`` to that of a. Both are derivatives of one function if every layer has a weight w
with ``w_b = k w_a``: then the fixed point is that of::

    E = sum over layers w_i [G_i(s_i) - <drives, s_i>] - sum over couplings w_b <W s_a, s_b>

Such weights exist if and only if the product of k around every cycle of couplings is 1, a
coupling that is passed from b to a counting 1/k (Kolmogorov's criterion for reversibility).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Edge = tuple[int, int, float]
"""A coupling: its source, its target, and the factor of its way back."""


@dataclass(frozen=True)
class Cycle:
    """A cycle of couplings around which the feedback multiplies to ``product``, not to 1.

    ``layers`` begins and ends with the same layer; ``edges`` are the indices of its couplings in
    the order in which they are passed. The first of them, passed from its source to its target,
    is the last of them in the text, and the first that no layer weights fit.
    """

    layers: tuple[int, ...]
    edges: tuple[int, ...]
    product: float


def layer_weights(layers: int, edges: Sequence[Edge]) -> tuple[float, ...] | Cycle:
    """The weight of each layer in the energy, or the first cycle that rules an energy out.

    The first layer of every connected component has the weight 1.
    """
    weights, part = [1.0] * layers, list(range(layers))
    tree: list[int] = []
    for k, (source, target, feedback) in enumerate(edges):
        wanted = feedback * weights[source]
        if part[source] == part[target]:
            if not math.isclose(weights[target], wanted, rel_tol=1e-9):
                return _cycle(k, edges, tree)
            continue
        tree.append(k)
        joined, factor = part[target], wanted / weights[target]
        for i in range(layers):
            if part[i] == joined:
                part[i], weights[i] = part[source], weights[i] * factor
    first: dict[int, float] = {}
    return tuple(w / first.setdefault(p, w) for w, p in zip(weights, part, strict=True))


def _cycle(closing: int, edges: Sequence[Edge], tree: Sequence[int]) -> Cycle:
    """The cycle that the coupling ``closing`` forms with the tree of the couplings before it."""
    source, target, _ = edges[closing]
    steps = [(source, target, closing), *_path(target, source, edges, tree)]
    product = math.prod(
        edges[k][2] if edges[k][:2] == (here, there) else 1 / edges[k][2]
        for here, there, k in steps
    )
    layers = (source, *(there for _, there, _ in steps))
    return Cycle(layers, tuple(k for _, _, k in steps), product)


def _path(
    start: int, end: int, edges: Sequence[Edge], tree: Sequence[int]
) -> list[tuple[int, int, int]]:
    """The steps (from, to, coupling) along the tree, by breadth-first search."""
    paths: dict[int, list[tuple[int, int, int]]] = {start: []}
    front = [start]
    while end not in paths:
        here = front.pop(0)
        for k in tree:
            if here in edges[k][:2]:
                a, b, _ = edges[k]
                there = b if here == a else a
                if there not in paths:
                    paths[there] = [*paths[here], (here, there, k)]
                    front.append(there)
    return paths[end]
