"""Convergence of relaxations during training: residuals, sweeps, and final statuses of samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ffebm_dsl.running.records import STATUSES, RecordTable
from ffebm_dsl.tools.report.curves import binned
from ffebm_dsl.tools.report.figure import Artist, Figure, colour, line_style, log_axis
from ffebm_dsl.tools.report.runs import Run
from ffebm_dsl.tools.report.sections import Key, Section, SectionGroup, limited
from ffebm_dsl.tools.report.text import number, printable, short

SERIES = {"free": 0, "nudged": 1, "adjoint": 2}
"""The colour of each phase."""

STATUS_SERIES = {"converged": 2, "exhausted": 4, "cycling": 3, "diverged": 1}


def convergence(runs: Sequence[Run], artist: Artist) -> Section:
    """One group per run, with three panels per block."""
    anchor, title = "convergence", "Convergence of the blocks"
    tables = [(run, table) for run in runs if (table := run.table("relaxation")) is not None]
    if not tables:
        return Section(anchor, title, missing="No record holds the course of a relaxation.")
    return Section(
        anchor,
        title,
        sentences=(
            "For every training step: the largest residual of a sample (its relative change in "
            "the last sweep), the mean number of sweeps, and the statuses of the samples after the "
            "free phase. With a tolerance of 0 all sweeps are made, and every finite sample is "
            "exhausted.",
        ),
        legend=[
            *(Key(f"{phase} phase", series) for phase, series in SERIES.items()),
            *(Key(status, series, wide=True) for status, series in STATUS_SERIES.items()),
        ],
        groups=[
            _of_run(run, table, artist, folded=k > 0 and len(tables) > 2)
            for k, (run, table) in enumerate(tables)
        ],
    )


def _of_run(run: Run, table: RecordTable, artist: Artist, folded: bool) -> SectionGroup:
    blocks, sentences = limited(list(dict.fromkeys(table["block"])))
    sentences = (*sentences, *_accelerated(table))
    epochs = run.epochs_at(table["step"])
    figures = []
    for block in blocks:
        solves = [i for i, name in enumerate(table["block"]) if name == block]
        figures += _of_block(table, epochs, block, solves, artist)
    return SectionGroup(run.name, sentences, figures, folded=folded, by_three=True)


def _accelerated(table: RecordTable) -> tuple[str, ...]:
    """The fraction of samples that the solver accelerated, by solve; nothing if there is none."""
    counts = np.asarray(table["accelerated"], float).sum(0)
    totals = sum(np.asarray(table[status], float).sum(0) for status in STATUSES)
    parts = [
        f"{100 * count / total:.1f} % in {short(printable(name))}"
        for name, count, total in zip(table["solve"], counts, totals, strict=True)
        if count
    ]
    return (f"Of the samples, `solver = auto` accelerated {', '.join(parts)}.",) if parts else ()


def _of_block(
    table: RecordTable, epochs: np.ndarray, block: str, solves: list[int], artist: Artist
) -> list[Figure]:
    name = short(printable(block))
    figures = [
        _phases(table, epochs, solves, column, f"{name}: {what}", log, artist)
        for column, what, log in (
            ("residual_max", "largest residual", True),
            ("sweeps_mean", "mean sweeps", False),
        )
    ]
    free = [i for i in solves if table["phase"][i] == "free"]
    return figures + [_endings(table, epochs, i, name, artist) for i in free]


def _phases(
    table: RecordTable,
    epochs: np.ndarray,
    solves: list[int],
    column: str,
    title: str,
    log: bool,
    artist: Artist,
) -> Figure:
    lines = [
        (str(table["phase"][i]), *binned(epochs, np.asarray(table[column][:, i], float)))
        for i in solves
    ]

    def plot(ax: Axes) -> None:
        for phase, x, y in lines:
            k = SERIES.get(phase, 5)
            ax.plot(x, np.where(y > 0, y, np.nan) if log else y, **line_style(k, len(x)))
        if log:
            log_axis(ax, "y", np.concatenate([y for _, _, y in lines]))
        ax.set_xlabel("epoch")
        ax.set_title(title, loc="left")

    ends = ", ".join(f"{short(printable(phase))} ends at {number(y[-1])}" for phase, _, y in lines)
    return artist.draw(plot, alt=f"{title} over epochs: {ends}")


def _endings(
    table: RecordTable, epochs: np.ndarray, solve: int, name: str, artist: Artist
) -> Figure:
    """The fractions of the batch with each status, stacked."""
    counts = np.stack([np.asarray(table[status][:, solve], float) for status in STATUSES])
    total = np.maximum(counts.sum(0), 1)
    parts = [binned(epochs, 100 * row / total) for row in counts]

    def plot(ax: Axes) -> None:
        x, levels = parts[0][0], np.cumsum([np.zeros(len(parts[0][0])), *(y for _, y in parts)], 0)
        for status, low, high in zip(STATUSES, levels, levels[1:], strict=False):
            ax.fill_between(
                x, low, high, color=colour(STATUS_SERIES[status]), alpha=0.75, linewidth=0
            )
        ax.set_ylim(0, 100)
        ax.set_xlabel("epoch")
        ax.set_ylabel("% of samples")
        ax.set_title(f"{name}: ends of the free phase", loc="left")

    overall = ", ".join(
        f"{100 * row.sum() / total.sum():.1f} % {status}"
        for status, row in zip(STATUSES, counts, strict=True)
    )
    return artist.draw(plot, alt=f"{name}: how samples of the free phase end: {overall}")
