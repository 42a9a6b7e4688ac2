"""Configurations side by side over their seeds: means, and paired differences with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.tools.experiments.results import (
    Configuration,
    RunComparison,
    compare,
    differing_keys,
    result_of,
)
from ffebm_dsl.tools.experiments.statistics import Mean
from ffebm_dsl.tools.report.runs import Run
from ffebm_dsl.tools.report.sections import PageTable, Section, SectionGroup
from ffebm_dsl.tools.report.svg import PANEL, Artist, Figure, colour
from ffebm_dsl.tools.report.text import ABSENT, printable, short

HEAD = ("configuration", "seeds", "mean", "95 % interval", "difference", "its 95 % interval")
ROW = 0.24
"""Height of one configuration in a figure, inches."""


def seeds(runs: Sequence[Run], artist: Artist) -> Section:
    """A table and a figure of all configurations; the first one is what others differ from."""
    anchor, title = "seeds", "Over seeds"
    trained = [run for run in runs if run.table("train")]
    try:
        results = [result_of(run.name, run.record) for run in trained]
        comparison = compare(results, differing_keys(results)) if results else None
    except InputError as error:
        return Section(anchor, title, missing=f"No means over seeds: {printable(error.message)}.")
    if comparison is None or not any(len(c.values) > 1 for c in comparison.configurations):
        missing = "No configuration was trained with several seeds."
        return Section(anchor, title, missing=missing)
    percent = comparison.metric != "loss"
    table = PageTable(
        HEAD, [_row(c, percent) for c in comparison.configurations], numeric=frozenset(range(1, 6))
    )
    return Section(
        anchor,
        title,
        sentences=(
            f"Runs that differ by their seed alone, by {comparison.metric}"
            f"{' in %' if percent else ''} on the {comparison.on} set. Differences are from "
            "the first row, between runs of one seed. Intervals are Student's, at 95 %.",
        ),
        groups=[SectionGroup(figures=[_figure(comparison, percent, artist)], tables=[table])],
    )


def _row(c: Configuration, percent: bool) -> list[str]:
    seeds = f"{len(c.values)}" + (f" (+{c.failed} diverged)" if c.failed else "")
    label = short(printable(c.label), 80)
    return [label, seeds, *_told(c.mean, percent, ""), *_told(c.difference, percent, "+")]


def _told(mean: Mean | None, percent: bool, sign: str) -> tuple[str, str]:
    if mean is None:
        return ABSENT, ABSENT
    scale, form = (100, f"{sign}.2f") if percent else (1, f"{sign}.4g")
    if math.isnan(mean.low):
        return format(scale * mean.mean, form), ABSENT
    ends = ", ".join(format(scale * end, form) for end in (mean.low, mean.high))
    return format(scale * mean.mean, form), ends


def _figure(comparison: RunComparison, percent: bool, artist: Artist) -> Figure:
    """A point for every run, and the mean of each configuration with its interval."""
    found = [c for c in comparison.configurations if c.mean is not None]
    scale = 100 if percent else 1

    def plot(ax: Axes) -> None:
        for y, c in enumerate(found):
            assert c.mean is not None
            if not math.isnan(c.mean.low):
                ends = scale * c.mean.low, scale * c.mean.high
                ax.hlines(y, *ends, color=colour(0), alpha=0.4, linewidth=3)
            ax.plot(
                [scale * v for v in c.values.values()], [y] * len(c.values), "|", color=colour(1)
            )
            ax.plot([scale * c.mean.mean], [y], "o", color=colour(0), markersize=3.5)
        labels = [short(printable(c.label), 20) for c in found]
        ax.set_yticks(range(len(found)), labels, fontsize=6.5)
        ax.set_ylim(len(found) - 0.4, -0.6)
        ax.set_title(f"{comparison.on} {comparison.metric}{' %' if percent else ''}", loc="left")

    told = "; ".join(f"{c.label}: {' '.join(_told(c.mean, percent, ''))}" for c in found)
    left = 0.15 + 0.055 * max((min(len(c.label), 20) for c in found), default=0)
    size = (PANEL[0], 0.9 + ROW * len(found))
    caption = "bars: interval of the mean; strokes: single runs"
    return artist.draw(plot, caption=caption, alt=told[:2000], size=size, left=left)
