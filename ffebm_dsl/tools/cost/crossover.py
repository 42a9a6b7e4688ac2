"""The cheapest of several networks as a function of the price of a conversion.

Of one network split into blocks of several sizes, smaller blocks convert more and sweep less: as
conversions become more expensive, larger blocks become cheaper, one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ffebm_dsl.tools.cost.account import SpecCost

QUANTITIES = ("joules", "seconds")


@dataclass(frozen=True)
class Cheapest:
    """The network that costs least while a conversion costs less than ``until`` times its price.

    None: at any higher price. The first of several begins at a price of 0.
    """

    name: str
    until: float | None


def crossovers(costs: Sequence[SpecCost], task: str, quantity: str) -> list[Cheapest]:
    """The cheapest at every price of a conversion, in ``inference`` or a ``step``.

    ``quantity`` is one of :data:`QUANTITIES`. With the price of a conversion multiplied by f, a
    network costs ``rest + f converters``: the result is the lower envelope of these lines.
    """
    lines = [(*_line(cost, task, quantity), cost.name) for cost in costs]
    rest, converters, name = min(lines)
    found: list[Cheapest] = []
    while True:
        flatter = [
            ((other - rest) / (converters - slope), slope, other, label)
            for other, slope, label in lines
            if slope < converters
        ]
        if not flatter:
            return [*found, Cheapest(name, None)]
        factor, slope, other, label = min(flatter)
        found.append(Cheapest(name, factor))
        rest, converters, name = other, slope, label


def _line(cost: SpecCost, task: str, quantity: str) -> tuple[float, float]:
    """The cost without conversions, and the cost of conversions."""
    parts = [0.0, 0.0]
    for entry in cost.entries(task):
        parts[entry.kind == "converters"] += getattr(entry, quantity)
    return parts[0], parts[1]
