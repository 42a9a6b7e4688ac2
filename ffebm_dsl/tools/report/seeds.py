"""Comparison of configurations over seeds: means, and paired differences with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.tools.experiments.results import result_of
from ffebm_dsl.tools.experiments.run_comparison import (
    COMMON_SEEDS,
    Configuration,
    RunComparison,
    compare,
    differing_keys,
    shared_sets,
)
from ffebm_dsl.tools.experiments.statistics import Mean
from ffebm_dsl.tools.report.figure import PANEL, Artist, Figure, colour
from ffebm_dsl.tools.report.runs import Run
from ffebm_dsl.tools.report.sections import PageTable, Section, SectionGroup
from ffebm_dsl.tools.report.text import ABSENT, printable, short

HEAD = ("configuration", "seeds", "mean", "sd", "95 % interval", "difference", "its 95 % interval")
ROW = 0.24
"""Height of one configuration in a figure, inches."""

LONGEST_LABEL = 20
"""Maximum number of characters beside a figure: longer labels are replaced by numbers of rows."""


def seeds(runs: Sequence[Run], artist: Artist) -> Section:
    """All configurations on each set; differences are from the first one."""
    anchor, title = "seeds", "Over seeds"
    trained = [run for run in runs if run.table("train")]
    try:
        results = [result_of(run.name, run.record) for run in trained]
        keys = differing_keys(results) if results else []
        # Without runs or a common set, the comparison raises an error that says so.
        sets = shared_sets(results) or [""] if results else []
        found = [compare(results, keys, on=on) for on in sets]
    except InputError as error:
        return Section(anchor, title, missing=f"No means over seeds: {printable(error.message)}.")
    if not found or not any(len(c.values) > 1 for c in found[0].configurations):
        missing = "No configuration was trained with several seeds."
        return Section(anchor, title, missing=missing)
    chosen = " Settings are chosen by the validation set." if len(found) > 1 else ""
    common = f" {COMMON_SEEDS}" if any(c.seeds_differ for c in found) else ""
    return Section(
        anchor,
        title,
        sentences=(
            "Runs that differ only in their seeds share a row; sd is the standard deviation over "
            "seeds. Differences are from the first row, between runs with the same seed. If the "
            "interval of a difference contains 0, no difference has been shown. Intervals are "
            f"Student's, at 95 %.{common}{chosen}",
        ),
        groups=[_group(comparison, artist) for comparison in found],
    )


def _group(comparison: RunComparison, artist: Artist) -> SectionGroup:
    """One set: the table, and figures of the means and of the differences."""
    percent = comparison.metric != "loss"
    names = _names(comparison)
    rows = [
        _row(c, name, percent) for c, name in zip(comparison.configurations, names, strict=True)
    ]
    title = f"{comparison.metric}{' in %' if percent else ''} on the {comparison.on} set"
    table = PageTable(HEAD, rows, numeric=frozenset(range(1, len(HEAD))))
    figures = [_means(comparison, names, percent, artist)]
    if any(c.difference is not None for c in comparison.configurations):
        figures.append(_differences(comparison, names, percent, artist))
    return SectionGroup(title=title, figures=figures, tables=[table])


def _names(comparison: RunComparison) -> list[str]:
    """The rows in figures: their labels, or ``row 1``, ``row 2``, ... if one is too long."""
    labels = [short(printable(c.label), LONGEST_LABEL + 1) for c in comparison.configurations]
    if max(map(len, labels)) <= LONGEST_LABEL:
        return labels
    return [f"row {k}" for k in range(1, len(labels) + 1)]


def _row(c: Configuration, name: str, percent: bool) -> list[str]:
    seeds = f"{len(c.values)}" + (f" (+{c.failed} diverged)" if c.failed else "")
    label = short(printable(c.label), 300)
    if name != label:
        label = f"{name}: {label}"
    mean, interval = _told(c.mean, percent, "")
    spread = ABSENT
    if c.mean is not None and not math.isnan(c.mean.deviation):
        spread = f"{100 * c.mean.deviation:.2f}" if percent else f"{c.mean.deviation:.4g}"
    return [label, seeds, mean, spread, interval, *_told(c.difference, percent, "+")]


def _told(mean: Mean | None, percent: bool, sign: str) -> tuple[str, str]:
    if mean is None:
        return ABSENT, ABSENT
    scale, form = (100, f"{sign}.2f") if percent else (1, f"{sign}.4g")
    if math.isnan(mean.low):
        return format(scale * mean.mean, form), ABSENT
    ends = ", ".join(format(scale * end, form) for end in (mean.low, mean.high))
    return format(scale * mean.mean, form), ends


def _means(
    comparison: RunComparison, names: Sequence[str], percent: bool, artist: Artist
) -> Figure:
    """A point per run, and the mean of each configuration with its interval."""
    rows = [
        (name, c.mean, [*c.values.values()])
        for name, c in zip(names, comparison.configurations, strict=True)
    ]
    title = f"{comparison.on} {comparison.metric}{' %' if percent else ''}"
    return _drawn(rows, title, percent, artist)


def _differences(
    comparison: RunComparison, names: Sequence[str], percent: bool, artist: Artist
) -> Figure:
    """A point per seed for the difference from the first configuration, and their mean."""
    first = comparison.configurations[0].values
    rows = [
        (name, c.difference, [v - first[seed] for seed, v in c.values.items() if seed in first])
        for name, c in zip(names[1:], comparison.configurations[1:], strict=True)
    ]
    title = f"difference from {names[0]}"
    return _drawn(rows, title, percent, artist, sign="+")


def _drawn(
    rows: Sequence[tuple[str, Mean | None, Sequence[float]]],
    title: str,
    percent: bool,
    artist: Artist,
    sign: str = "",
) -> Figure:
    """A row per label: single values, their mean and its interval; a line at 0 if signed."""
    found = [(label, mean, values) for label, mean, values in rows if mean is not None]
    scale = 100 if percent else 1

    def plot(ax: Axes) -> None:
        if sign:
            ax.axvline(0, color="0.6", linewidth=0.8)
        for y, (_, mean, values) in enumerate(found):
            if not math.isnan(mean.low):
                ends = scale * mean.low, scale * mean.high
                ax.hlines(y, *ends, color=colour(0), alpha=0.4, linewidth=3)
            ax.plot([scale * v for v in values], [y] * len(values), "|", color=colour(1))
            ax.plot([scale * mean.mean], [y], "o", color=colour(0), markersize=3.5)
        ax.set_yticks(range(len(found)), [label for label, *_ in found], fontsize=6.5)
        ax.set_ylim(len(found) - 0.4, -0.6)
        ax.set_title(title, loc="left")

    told = "; ".join(f"{label}: {' '.join(_told(mean, percent, sign))}" for label, mean, _ in found)
    left = 0.15 + 0.055 * max((len(label) for label, *_ in found), default=0)
    size = (PANEL[0], 0.9 + ROW * len(found))
    caption = "bars: interval of the mean; strokes: single runs"
    return artist.draw(plot, caption=caption, alt=told[:2000], size=size, left=left)
