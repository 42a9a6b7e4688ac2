"""``ffebm compare``: means over seeds, and paired differences with intervals."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ffebm_dsl.cli.console import emit, emit_json, emit_rendered, say

if TYPE_CHECKING:
    from ffebm_dsl.tools.experiments.run_comparison import Configuration, RunComparison
    from ffebm_dsl.tools.experiments.statistics import Mean


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run directories, or folders of sweeps.")
    ],
    by: Annotated[
        str,
        typer.Option(
            metavar="KEY,...",
            help="Keys in which the runs may differ besides the seed, such as optimizer.lr. "
            "[default: the only key in which they differ]",
        ),
    ] = "",
    metric: Annotated[
        str, typer.Option(help="top1, top5 or loss. [default: top1 if the runs have it]")
    ] = "",
    on: Annotated[
        str,
        typer.Option(
            metavar="validation|test",
            help="Set to compare on. [default: validation if all runs have it, else test]",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare runs: means over seeds, differences with intervals.

    Differences are relative to the first configuration, between runs with the same seed; intervals
    are at 95 %. Runs that differ in keys other than those of --by are refused.
    """
    from ffebm_dsl.tools.experiments import run_comparison
    from ffebm_dsl.tools.experiments.results import expand, read_result

    paths = expand(runs, say)
    keys = [key.strip() for key in by.split(",") if key.strip()]
    results = [read_result(path) for path in paths]
    comparison = run_comparison.compare(results, keys, metric, on)
    inexact = [result.name for result in results if not result.exact]
    if inexact:
        say(f"note: not resumed exactly (docs/reliability.md): {', '.join(inexact)}")
    if as_json:
        emit_json(as_record(comparison))
    else:
        print_comparison(comparison)


def as_record(comparison: RunComparison) -> dict[str, Any]:
    """A comparison as plain values; NaN where a number has no meaning."""
    return {
        "metric": comparison.metric,
        "on": comparison.on,
        "by": list(comparison.varied),
        "configurations": [
            {
                "label": c.label,
                "runs": len(c.values),
                "diverged": c.failed,
                "values": {str(seed): value for seed, value in sorted(c.values.items())},
                "mean": c.mean and asdict(c.mean),
                "difference": c.difference and asdict(c.difference),
            }
            for c in comparison.configurations
        ],
    }


def print_comparison(comparison: RunComparison) -> None:
    """A row for every configuration, and a line if differences are not those of the means."""
    from rich import box
    from rich.table import Table

    from ffebm_dsl.tools.experiments.run_comparison import COMMON_SEEDS

    percent = comparison.metric != "loss"
    unit = f"{comparison.on}\n{comparison.metric}{' %' if percent else ''}"
    label = max(len(c.label) for c in comparison.configurations)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("configuration", overflow="fold", min_width=min(label, 20))
    for heading in ("seeds", unit, "sd", "95 %", "difference, 95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for configuration in comparison.configurations:
        table.add_row(*_row(configuration, percent))
    # A broken line is better than an interval without its end.
    emit_rendered(table, breaks=False)
    if comparison.seeds_differ:
        emit(COMMON_SEEDS)


def _row(c: Configuration, percent: bool) -> list[str]:
    seeds = str(len(c.values)) + (f" (+{c.failed} diverged)" if c.failed else "")
    if c.mean is None:
        return [c.label, seeds, "", "", "", ""]
    difference = ""
    if c.difference is not None:
        d = c.difference
        difference = f"{_number(d.mean, percent, '+')} {_interval(d, percent, '+')}".strip()
    return [
        c.label,
        seeds,
        _number(c.mean.mean, percent),
        _number(c.mean.deviation, percent),
        _interval(c.mean, percent),
        difference,
    ]


def _interval(mean: Mean, percent: bool, sign: str = "") -> str:
    if mean.count < 2:
        return ""
    return f"[{_number(mean.low, percent, sign)}, {_number(mean.high, percent, sign)}]"


def _number(value: float, percent: bool, sign: str = "") -> str:
    if not math.isfinite(value):
        return ""
    return f"{100 * value:{sign}.2f}" if percent else f"{value:{sign}.3g}"
