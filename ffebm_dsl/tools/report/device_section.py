"""The devices that runs were trained on, and the costs of their networks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.ir.tools.dump import from_json_dict
from ffebm_dsl.language.ir.tools.notation import written
from ffebm_dsl.language.registry import HARDWARE
from ffebm_dsl.tools.cost.account import KINDS, Assumptions, Entry, SpecCost, cost
from ffebm_dsl.tools.cost.prices import load_prices
from ffebm_dsl.tools.report.figure import Artist, Figure, colour
from ffebm_dsl.tools.report.runs import Run
from ffebm_dsl.tools.report.sections import Key, PageTable, Section, SectionGroup
from ffebm_dsl.tools.report.text import printable, short

PRICES, BITS = "published", 8
"""Price list of the bars, and the resolution of converters where a spec has ideal ones."""

TASKS = (("inference", "inference of a sample"), ("step", "a training step"))


def hardware(runs: Sequence[Run], artist: Artist) -> Section:
    """Every run on hardware: its devices key by key, and energy by kind."""
    found = [(run, spec) for run in runs if (spec := _spec(run)) is not None and spec.hardware]
    section = Section("hardware", "Hardware")
    if not found:
        return replace(section, missing="no run was trained on hardware")
    costs = [(run, priced) for run, spec in found if (priced := _cost(spec)) is not None]
    figures = [_bars(costs, task, title, artist) for task, title in TASKS] if costs else []
    energy = SectionGroup(
        "Energy",
        sentences=(
            f"With the price list `{PRICES}`, the largest number of sweeps of every phase, and "
            f"{BITS} bits for converters without a stated resolution. The second bar of a run is "
            "an all-digital version of the network. `ffebm cost` prints the counts and sources.",
        ),
        figures=figures,
    )
    return replace(
        section,
        sentences=("The devices as stated in the spec; everything else is ideal.",),
        legend=tuple(Key(kind, k) for k, kind in enumerate(KINDS)) if figures else (),
        groups=[SectionGroup(tables=[_devices(found)]), *([energy] if figures else [])],
    )


def _spec(run: Run) -> SpecIR | None:
    """The network of a record, whose contents are not trusted; None if it has no valid one."""
    text = run.provenance("spec_resolved")
    try:
        return from_json_dict(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
        return None


def _cost(spec: SpecIR) -> SpecCost | None:
    try:
        return cost(spec, load_prices(PRICES), Assumptions(BITS, _batch(spec)))
    except (InputError, KeyError, TypeError, AttributeError):
        return None


def _batch(spec: SpecIR) -> int:
    batch = spec.train.data.arguments.get("batch") if spec.train is not None else None
    return batch if isinstance(batch, int) else 1


def _devices(found: Sequence[tuple[Run, SpecIR]]) -> PageTable:
    rows = [
        [short(run.name, 40), device.name, _blocks(spec, device.name), *_keys(device.arguments)]
        for run, spec in found
        for device in spec.hardware
    ]
    keys = (name.replace("_", " ") for name in HARDWARE.names)
    return PageTable(["run", "hardware", "blocks", *keys], rows)


def _blocks(spec: SpecIR, device: str) -> str:
    names = [block.name for block in spec.model.blocks if block.hardware == device]
    return short(", ".join(names) or "none", 60)


def _keys(arguments: Mapping[str, Any]) -> list[str]:
    return [
        printable(written(arguments.get(name, ""), HARDWARE.parameter(name)))
        for name in HARDWARE.names
    ]


def _bars(costs: Sequence[tuple[Run, SpecCost]], task: str, title: str, artist: Artist) -> Figure:
    """Two stacked bars per run: the network as it is, and all digital."""
    bars: list[tuple[str, Sequence[Entry]]] = []
    for run, priced in costs:
        bars.append((short(run.name, 18), priced.entries(task)))
        bars.append(("all digital", getattr(priced, f"digital_{task}")))

    def plot(ax: Axes) -> None:
        _stack(ax, bars)
        ax.set_title(title)
        ax.set_ylabel("joules")

    words = "; ".join(f"{name}: {sum(e.joules for e in entries):.3g} J" for name, entries in bars)
    return artist.draw(plot, caption=f"Joules for {title}", alt=f"Stacked bars. {words}")


def _stack(ax: Axes, bars: Sequence[tuple[str, Sequence[Entry]]]) -> None:
    places = range(len(bars))
    below = [0.0] * len(bars)
    for k, kind in enumerate(KINDS):
        heights = [sum(e.joules for e in entries if e.kind == kind) for _, entries in bars]
        ax.bar(places, heights, 0.7, bottom=below, color=colour(k))
        below = [a + b for a, b in zip(below, heights, strict=True)]
    ax.set_xticks(list(places), [name for name, _ in bars])
