"""At which price of conversions one way to split a network becomes cheaper than another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from ffebm_dsl.tools.cost.account import SpecCost


@dataclass(frozen=True)
class Crossover:
    """Two networks, and the factor on the price of a conversion at which they cost the same.

    ``more`` is the one with more conversions, cheaper while a conversion costs less than
    ``factor`` times the price; None: one of the two is cheaper at every price, ``cheaper``.
    """

    more: str
    fewer: str
    factor: float | None
    cheaper: str


def crossovers(costs: Sequence[SpecCost], task: str) -> list[Crossover]:
    """Every pair, for ``inference`` or ``step``."""
    found = []
    for pair in combinations(costs, 2):
        fewer, more = sorted(pair, key=lambda c: c.conversions(task))
        converting = [_joules(c, task, converters=True) for c in (more, fewer)]
        rest = [_joules(c, task, converters=False) for c in (more, fewer)]
        extra, saved = converting[0] - converting[1], rest[1] - rest[0]
        crosses = extra > 0 and saved > 0
        totals = [a + b for a, b in zip(converting, rest, strict=True)]
        cheaper = more.name if totals[0] < totals[1] else fewer.name
        found.append(Crossover(more.name, fewer.name, saved / extra if crosses else None, cheaper))
    return found


def _joules(cost: SpecCost, task: str, *, converters: bool) -> float:
    entries = cost.entries(task)
    return sum(e.joules for e in entries if (e.kind == "converters") == converters)
