"""How large a network may be: a mistake in a spec must not take all memory.

Counted from the IR (:mod:`ffebm_dsl.language.ir.tools.count`), so nothing is allocated to find out.
A spec cannot raise its own budget: only the caller of the compiler can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import ModelIR
from ffebm_dsl.language.ir.tools.count import ModelCount, count


@dataclass(frozen=True)
class Budget:
    """Limits of a network: ``parameters`` in all, and ``numbers`` per sample, which are the states,
    drives and activations that a training step holds."""

    parameters: int = 1_000_000_000
    numbers: int = 100_000_000


BUDGET = Budget()
"""4 GB of float32 weights, and 0.4 GB for each sample of a batch."""


class _Share(NamedTuple):
    """The size of a block or map; ``place`` is the name of its place in the text."""

    place: str
    title: str
    parameters: int
    numbers: int


def check_budget(model: ModelIR, places: Mapping[str, Span], budget: Budget, log: Log) -> None:
    """Report what is over the budget, at the part of the network that takes most of it."""
    parts = [*_parts(count(model))]
    for what, limit in (("parameters", budget.parameters), ("numbers", budget.numbers)):
        total = sum(getattr(part, what) for part in parts)
        if total <= limit:
            continue
        largest = max(parts, key=lambda part: getattr(part, what))
        unit = what if what == "parameters" else "states and activations per sample"
        log.report(
            "FFE6001",
            f"{largest.title} has {getattr(largest, what):,} {unit}, and a network may have "
            f"{limit:,} in all",
            places.get(largest.place, places[""]),
            notes=(f"the whole network has {total:,}",),
            help="make it smaller, or allow it with `--allow-large` (`allow_large=True` in Python)",
        )


def _parts(counts: ModelCount) -> Iterator[_Share]:
    for block in counts.blocks:
        parameters = block.analog_parameters + block.digital_parameters
        held = block.drive_size + block.stored_states + sum(m.activations for m in block.maps)
        yield _Share(block.name, f"block `{block.name}`", parameters, held)
    maps = [(m, "map", m.name) for m in counts.maps]
    maps += [(counts.readout, "readout", "readout")]
    maps += [(m, "readout", m.name) for m in counts.auxiliary]
    for map_, kind, place in maps:
        yield _Share(place, f"{kind} `{map_.name}`", map_.parameters, map_.activations)
