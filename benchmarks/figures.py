"""Plots of the series in docs/performance.md, from measurements.

    python -m benchmarks.figures FILE [FILE ...] [--docs docs]

FILE is the JSON written by `benchmarks/scaling.py`, `sweeps.py` or `neutrality.py`; its name is
that of the series. The plot is written to docs/figures, with the JSON beside it.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Results = Mapping[str, Any]
POINTS = {
    "split": "split spec",
    "batch": "samples in a batch",
    "depth": "layers",
    "sweeps": "nudged sweeps",
    "fewer_sweeps": "relaxation",
    "neutrality": "network",
}
"""The meaning of the points of each series."""
Lines = dict[str, list[float]]
"""The values of each line by name, one for each point of the series; NaN if missing."""

LONG = 16
"""Names of points longer than this are written below each other."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes with curves over the points of a series."""

    title: str
    lines: Lines
    logarithmic: str = ""
    """The logarithmic axes: "x", "xy" or none."""
    level: float | None = None
    """A reference value, drawn as a line."""


def save(name: str, found: Results, docs: Path) -> None:
    """Write results and plot below ``docs``/figures.

    Raises:
        ValueError: the results are of a quick series, which are meaningless.
    """
    if found["quick"]:
        raise ValueError("a quick series is no result: measure it without --quick")
    (docs / "figures").mkdir(exist_ok=True)
    written = json.dumps(found, indent=1) + "\n"
    (docs / "figures" / f"{name}.json").write_text(written, encoding="utf-8")
    plot(name, found, docs / "figures" / f"{name}.svg")


def plot(name: str, found: Results, path: Path) -> None:
    """The panels of a series side by side."""
    import matplotlib
    from matplotlib.figure import Figure

    panels = PANELS[name](found["results"])
    points = [row["at"] for row in found["results"]]
    words = any(isinstance(point, str) for point in points)
    below = words and max(map(len, points)) > LONG
    named = dict.fromkeys(label for panel in panels for label in panel.lines)
    colors = {label: f"C{k}" for k, label in enumerate(named)}
    height = 1.6 + 0.22 * len(points) if below else 3
    figure = Figure(figsize=(4.2 * len(panels), height), layout="constrained")
    places = figure.subplots(1, len(panels), squeeze=False, sharey=below)[0]
    for axes, panel in zip(places, panels, strict=True):
        if below:
            _stack(axes, panel, points, colors)
        else:
            _draw(axes, panel, points, colors)
            axes.set(xlabel=POINTS[name], ylabel=panel.title)
    if below:
        places[0].invert_yaxis()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(path, metadata={"Date": None})


def _stack(axes: Any, panel: Panel, points: list[str], colors: Mapping[str, str]) -> None:
    """Names below each other, with a dot for each line beside them."""
    for label, heights in panel.lines.items():
        axes.plot(heights, range(len(points)), "o", ms=4, color=colors[label], label=label)
    axes.set_yticks(range(len(points)), points, fontsize=7)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    if panel.level is not None:
        axes.axvline(panel.level, color="0.6", linewidth=0.8, zorder=0)
    axes.set(xlabel=panel.title)
    if "x" in panel.logarithmic:
        axes.set_xscale("log", subs=(2, 5))
        for ticks in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            ticks("{x:g}")
    else:
        axes.set_xlim(0, None)
    columns = 1 if max(map(len, panel.lines)) > LONG else 2
    above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1)}
    axes.legend(frameon=False, fontsize=7, ncols=columns, **above)


def _draw(axes: Any, panel: Panel, points: list[Any], colors: Mapping[str, str]) -> None:
    """Lines over numbers, dots over names."""
    words = any(isinstance(point, str) for point in points)
    places, style = (range(len(points)), "none") if words else (points, "solid")
    for label, heights in panel.lines.items():
        axes.plot(places, heights, marker="o", ls=style, color=colors[label], label=label)
    axes.legend(frameon=False, fontsize=7)
    if panel.level is not None:
        axes.axhline(panel.level, color="0.6", linewidth=0.8, zorder=0)
    axes.set(**{f"{axis}scale": "log" for axis in panel.logarithmic})
    if "y" not in panel.logarithmic:
        axes.set_ylim(0, None)
    if words:
        axes.set_xticks(places, points, fontsize=7)


def _seconds(rows: list[Results]) -> Lines:
    return {name: [row["seconds"][name] for row in rows] for name in rows[0]["seconds"]}


def _ratios(rows: list[Results]) -> Lines:
    names = rows[0]["ep_over"]
    return {name: [row["ep_over"][name]["median"] for row in rows] for name in names}


def _steps(rows: list[Results]) -> list[Panel]:
    return [
        Panel("seconds of a step", _seconds(rows)),
        Panel("EP step over each", _ratios(rows), level=1),
    ]


def _batch(rows: list[Results]) -> list[Panel]:
    return [
        Panel("seconds of a step", _seconds(rows), "xy"),
        Panel("EP step over each", _ratios(rows), "x", level=1),
    ]


def _depth(rows: list[Results]) -> list[Panel]:
    kinds = [key for key in rows[0] if key != "at"]
    return [
        Panel("seconds of an EP step", {k: [r[k]["seconds"]["ep"] for r in rows] for k in kinds}),
        Panel(
            "EP over its floor",
            {k: [r[k]["ep_over"]["floor"]["median"] for r in rows] for k in kinds},
            level=1,
        ),
    ]


def _sweeps(rows: list[Results]) -> list[Panel]:
    memory = {name: [row["MiB"][name] for row in rows] for name in rows[0]["MiB"]}
    return [Panel("seconds of a step", _seconds(rows)), Panel("peak memory [MiB]", memory)]


def _fewer_sweeps(rows: list[Results]) -> list[Panel]:
    """Sums over the blocks; times are those of plain sweeps with equal routing over a row's own."""
    blocks: Lines = {name: [row["sweeps"][name] for row in rows] for name in rows[0]["sweeps"]}
    totals = {
        "free, to the tolerance": [sum(row["sweeps"].values()) for row in rows],
        "free, to an error of 1e-3": _at_equal_error(rows, "free", "sweeps"),
        "nudged, to an error of 1e-3": _at_equal_error(rows, "nudged", "sweeps"),
    }
    plain = {row["routing"]: k for k, row in enumerate(rows) if row["at"] == row["routing"]}
    times = {
        name: [sums[plain[row["routing"]]] / own for row, own in zip(rows, sums, strict=True)]
        for name, sums in totals.items()
    }
    return [
        Panel("sweeps of free phases", {**blocks, "all": totals["free, to the tolerance"]}),
        Panel("times fewer sweeps", times, level=1),
    ]


def _neutrality(rows: list[Results]) -> list[Panel]:
    ways = rows[0]["over plain"]
    times: Lines = {way: [row["over plain"][way] for row in rows] for way in ways}
    return [Panel("time of a step over plain sweeps'", times, "x", level=1)]


def _at_equal_error(rows: list[Results], phase: str, what: str) -> list[float]:
    found = [row[f"{phase} at equal error"] for row in rows]
    return [math.nan if one is None else one[what] for one in found]


PANELS: dict[str, Callable[[list[Results]], list[Panel]]] = {
    "split": _steps,
    "batch": _batch,
    "depth": _depth,
    "sweeps": _sweeps,
    "fewer_sweeps": _fewer_sweeps,
    "neutrality": _neutrality,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--docs", type=Path, default=Path(__file__).parent.parent / "docs")
    options = parser.parse_args()
    for path in options.files:
        save(path.stem, json.loads(path.read_text(encoding="utf-8")), options.docs)


if __name__ == "__main__":
    main()
