"""Figures of docs/hardware.md: effects of devices on accuracy, and costs of splits of a network.

    ffebm sweep specs/hardware/SET_device.ffe --seeds 3 --out runs/SET/KNOB \\
        --set "gradient=[ep(beta=0.5), implicit()]" --set "KNOB=[VALUE, ...]"     (of each knob)
    ffebm sweep specs/hardware/phase_change.ffe --seeds 3 --out runs/drift
    python -m benchmarks.devices accuracy runs/SET [--data-dir DIR] [--save docs/figures]
    python -m benchmarks.devices drift runs/drift [--save docs/figures]
    python -m benchmarks.devices splits SPEC SPEC ... [--save docs/figures]

``accuracy`` reads the final test accuracies of the runs below the folder. Runs by EP whose knobs
are all 0 are those on ideal hardware: they are also tested on the device of every other run, a
transfer without knowledge of the device in training; and those with a mismatch are tested on three
other devices. ``drift`` tests runs some time after their last step. JSON goes to stdout, a table to
stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.measuring import compiled
from ffebm_dsl.running.records import read
from ffebm_dsl.running.training import Options, OtherDevice, evaluate_run
from ffebm_dsl.tools.cost.account import Assumptions, SpecCost, cost
from ffebm_dsl.tools.cost.crossover import crossovers
from ffebm_dsl.tools.cost.prices import load_prices
from ffebm_dsl.tools.experiments.results import Result, read_result

KNOBS = {
    "bits": "bits of what leaves",
    "read_noise": "read noise",
    "mismatch": "mismatch",
    "transpose_mismatch": "transpose mismatch",
}
TIMES = {
    "0": 0.0,
    "1 min": 60.0,
    "1 h": 3600.0,
    "1 day": 86400.0,
    "1 month": 2.6e6,
    "1 year": 3.2e7,
}
OTHERS = "EP, then other devices"
TRAINED = ("EP", "implicit", "transfer", OTHERS)
"""Ways of training, in the order of colours."""

LEFT_OUT = "steps left out by implicit"
"""The number of bad steps (``on_bad_step = skip_batch``), by seed."""

Accuracies = dict[str, list[float]]
"""Accuracies of all seeds, by the value of a knob or the time."""


def evaluated(run: Path, data_dir: Path | None, other: OtherDevice) -> float:
    """Top-1 accuracy on the test set, on another device."""
    found = evaluate_run(run, "last", Options(data_dir=data_dir), None, print, "test", other)
    return found.result.top1


def runs_below(folder: Path) -> list[tuple[Path, Result]]:
    """Every finished run in the folder and in its subfolders."""
    files = sorted(folder.rglob("run.h5"))
    found = [(file.parent, read_result(file.parent)) for file in files]
    return [(path, result) for path, result in found if result.status == "finished"]


def accuracy(folder: Path, data_dir: Path | None) -> dict[str, dict[str, Accuracies]]:
    """Accuracies by knob, by the way of training, and by value."""
    runs = runs_below(folder)
    found: dict[str, dict[str, Accuracies]] = {knob: {} for knob in KNOBS}
    ideal = []
    for path, result in runs:
        knob, value = _knob(result)
        how = "implicit" if "implicit" in result.overrides.get("gradient", "") else "EP"
        reached = result.metrics["test"]["top1"]
        if how == "implicit":
            label = "none" if float(value) == 0 else value
            found[knob].setdefault(LEFT_OUT, {}).setdefault(label, []).append(_left_out(path))
        if knob == "mismatch" and float(value) == 0:
            ideal += [path] if how == "EP" else []
            for lines in found.values():
                lines.setdefault(how, {}).setdefault("none", []).append(reached)
            continue
        found[knob].setdefault(how, {}).setdefault(value, []).append(reached)
        if how == "EP" and knob == "mismatch":
            for seed in (1, 2, 3):
                moved = evaluated(path, data_dir, OtherDevice(seed=seed))
                found[knob].setdefault(OTHERS, {}).setdefault(value, []).append(moved)
    for knob, lines in found.items():
        for value in lines.get("EP", {}):
            settings = {} if value == "none" else {knob: value}
            other = OtherDevice(settings=settings)
            lines.setdefault("transfer", {})[value] = [
                evaluated(path, data_dir, other) for path in ideal
            ]
    return found


def _left_out(run: Path) -> int:
    tables = read(run / "run.h5").tables
    return len(tables["bad_steps"]) if "bad_steps" in tables else 0


def table(by_knob: Mapping[str, Mapping[str, Accuracies]]) -> str:
    """All values of all knobs as a table in Markdown: percent of each seed, and their mean."""
    columns = (*TRAINED, LEFT_OUT)
    rows = [["device", *columns], ["---"] * (len(columns) + 1)]
    for knob, lines in by_knob.items():
        values = dict.fromkeys(value for line in lines.values() for value in line)
        for value in values:
            if value != "none" or knob == "mismatch":
                name = "ideal" if value == "none" else f"{KNOBS[knob]} {value}"
                rows.append([name, *(_cell(c, lines.get(c, {}).get(value, [])) for c in columns)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(column: str, found: Sequence[float]) -> str:
    if column == LEFT_OUT or not found:
        return " ".join(map(str, found))
    low, centre, high = (f"{100 * x:.1f}" for x in (min(found), mean(found), max(found)))
    if column == OTHERS:
        return f"{centre} ({low} to {high})"
    return f"{' '.join(f'{100 * x:.2f}' for x in found)}: {centre}"


def _knob(result: Result) -> tuple[str, str]:
    ((knob, value),) = [item for item in result.overrides.items() if item[0] in KNOBS]
    return knob, value


def drift(folder: Path, data_dir: Path | None) -> Accuracies:
    """Accuracies by the time since the last step."""
    runs = runs_below(folder)
    return {
        name: [evaluated(path, data_dir, OtherDevice(after=time)) for path, _ in runs]
        for name, time in TIMES.items()
    }


def splits(paths: Sequence[Path]) -> list[SpecCost]:
    """The costs of each spec, with converters of 8 bits and all sweeps in every phase."""
    listed = load_prices("published")
    return [cost(compiled(path, {}), listed, Assumptions(8), path.stem) for path in paths]


def draw(panels: Mapping[str, Callable[[Axes], None]], file: Path | None) -> None:
    """Panels side by side, as SVG."""
    if file is None:
        return
    figure = Figure(figsize=(3.6 * len(panels), 3.2), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (title, plot) in zip(axes, panels.items(), strict=True):
        plot(ax)
        ax.set_title(title, fontsize=10)
        ax.grid(alpha=0.3)
    figure.savefig(file, metadata={"Date": None})


def _lines(
    lines: Mapping[str, Accuracies], order: Callable[[str], float]
) -> Callable[[Axes], None]:
    def plot(ax: Axes) -> None:
        values = sorted({value for line in lines.values() for value in line}, key=order)
        for shift, how in enumerate(TRAINED):
            line = lines.get(how, {})
            known = [value for value in values if value in line]
            centres = [100 * mean(line[value]) for value in known]
            below = [c - 100 * min(line[v]) for c, v in zip(centres, known, strict=True)]
            above = [100 * max(line[v]) - c for c, v in zip(centres, known, strict=True)]
            places = [values.index(value) + 0.06 * shift for value in known]
            if known:
                colour = f"C{shift}"
                bars = ax.errorbar(places, centres, (below, above), capsize=3, color=colour)
                bars.set_label(how)
                ax.plot(places, centres, marker="o", ms=4, color=colour)
        ax.set_xticks(range(len(values)), values)
        ax.set_ylabel("test accuracy, %")
        ax.legend(fontsize=7)

    return plot


def _stronger(value: str) -> float:
    return -1.0 if value == "none" else float(value)


def _coarser(value: str) -> float:
    return -25.0 if value == "none" else -float(value)


def _times(found: Accuracies) -> Callable[[Axes], None]:
    def plot(ax: Axes) -> None:
        for seed in range(len(next(iter(found.values())))):
            heights = [100 * values[seed] for values in found.values()]
            ax.plot(list(found), heights, marker="o", ms=4, label=f"seed {seed}")
        ax.tick_params(axis="x", labelsize=8)
        ax.set_ylabel("test accuracy, %")
        ax.legend(fontsize=7)

    return plot


def _costs(costs: Sequence[SpecCost], task: str) -> Callable[[Axes], None]:
    def plot(ax: Axes) -> None:
        factors = [10 ** (k / 10) for k in range(61)]
        for one in costs:
            parts = [0.0, 0.0]
            for entry in one.entries(task):
                parts[entry.kind == "converters"] += entry.joules
            joules = [parts[0] + factor * parts[1] for factor in factors]
            ax.loglog(factors, joules, label=f"blocks: {len(one.sweeps)}")
        for range_ in crossovers(costs, task, "joules"):
            if range_.until is not None:
                ax.axvline(range_.until, color="grey", lw=0.7, ls=":")
        ax.set_xlabel("price of a conversion over the published")
        ax.set_ylabel("joules")
        ax.legend(fontsize=7)

    return plot


def panels(by_knob: Mapping[str, Mapping[str, Accuracies]]) -> dict[str, Callable[[Axes], None]]:
    """A panel for each knob, beginning with the ideal device."""
    return {
        KNOBS[knob]: _lines(lines, _coarser if knob == "bits" else _stronger)
        for knob, lines in by_knob.items()
        if len({value for line in lines.values() for value in line}) > 1
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("accuracy", "drift", "splits"))
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="draw into this folder")
    options = parser.parse_args()
    name = f"devices_{options.what}_{options.paths[0].name}"
    file = options.save / f"{name}.svg" if options.save else None
    if options.what == "splits":
        costs = splits(options.paths)
        tasks = {"inference of a sample": "inference", "training step of a sample": "step"}
        draw(
            {title: _costs(costs, task) for title, task in tasks.items()},
            file and file.with_stem("devices_splits"),
        )
        return
    if options.what == "drift":
        found = drift(options.paths[0], options.data_dir)
        draw({"time since the last step": _times(found)}, file and file.with_stem("devices_drift"))
        print(json.dumps(found, indent=1))
        return
    by_knob = accuracy(options.paths[0], options.data_dir)
    draw(panels(by_knob), file)
    print(table(by_knob), file=sys.stderr)
    print(json.dumps(by_knob, indent=1))


if __name__ == "__main__":
    main()
