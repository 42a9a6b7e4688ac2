"""Learning curves and wall-clock times: several runs in one figure, one colour per run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ffebm_dsl.tools.report.figure import Artist, Figure, colour, line_style, log_axis
from ffebm_dsl.tools.report.runs import Run
from ffebm_dsl.tools.report.sections import Key, Section, SectionGroup
from ffebm_dsl.tools.report.text import counted, number, short

Values = NDArray[np.float64]
Curve = tuple[Values, Values]

BINS = 150
"""Points of a curve over training steps; each is the mean of its part of the steps."""


def learning_curves(runs: Sequence[Run], artist: Artist) -> Section:
    """Loss and accuracy over epochs, of training batches and of evaluations."""
    anchor, title = "learning", "Learning curves"
    if not any(run.table("train") for run in runs):
        return Section(anchor, title, missing="No record holds a training step.")
    curves: list[tuple[str, str, Callable[[Run], Curve | None]]] = [
        ("training loss", "loss", lambda run: _trained(run, "loss")),
        ("evaluation loss", "loss", lambda run: _evaluated(run, "loss")),
        ("training accuracy", "%", lambda run: _trained(run, "accuracy", 100)),
        ("evaluation accuracy", "%", lambda run: _evaluated(run, "top1", 100)),
        ("gradient norm", "norm", lambda run: _trained(run, "gradient_norm")),
        ("learning rate", "learning rate", lambda run: _trained(run, "learning_rate")),
    ]
    figures = [
        compared(
            runs,
            artist,
            name,
            ("epoch", unit),
            curve,
            log=unit == "norm",
            marks=_bad_steps if name == "training loss" else None,
        )
        for name, unit, curve in curves
    ]
    marked = any(run.table("bad_steps") for run in runs)
    untested = [run.name for run in runs if run.table("train") and not run.table("eval")]
    return Section(
        anchor,
        title,
        sentences=(
            f"Training curves are means over up to {BINS} equal parts of the steps; "
            "evaluations are on the whole validation set, or on the test set where a run has none.",
            *(["Crosses at the bottom of the training loss are bad steps."] if marked else []),
            *([f"Not evaluated yet: {', '.join(untested)}."] if untested else []),
        ),
        legend=legend(runs, "train"),
        groups=[SectionGroup(figures=[figure for figure in figures if figure])],
    )


def wall_clock(runs: Sequence[Run], artist: Artist) -> Section:
    """Accuracy over time, and the duration of steps over the course of the run."""
    anchor, title = "wall-clock", "Wall-clock"
    if not any(run.table("train") for run in runs):
        return Section(anchor, title, missing="No record holds a training step.")

    def accuracy(run: Run) -> Curve | None:
        table = run.table("eval")
        return None if table is None else (table["wall_time"] / 60, 100 * table["top1"])

    figures = [
        compared(
            runs, artist, "evaluation accuracy over time", ("minutes of training", "%"), accuracy
        ),
        compared(runs, artist, "time per step", ("epoch", "seconds"), _step_times),
        compared(runs, artist, "free sweeps", ("epoch", "mean sweeps"), _free_sweeps),
    ]
    return Section(
        anchor,
        title,
        sentences=(
            "Time spent in training, without evaluation; a run that was stopped and resumed "
            "counts the time of all its parts.",
        ),
        legend=legend(runs, "train"),
        groups=[SectionGroup(figures=[figure for figure in figures if figure])],
    )


def legend(runs: Sequence[Run], group: str) -> Sequence[Key]:
    """The legend of the runs with this group; empty for a single run."""
    if len(runs) == 1:
        return []
    return [Key(run.name, k) for k, run in enumerate(runs) if run.table(group) is not None]


def compared(
    runs: Sequence[Run],
    artist: Artist,
    name: str,
    axes: tuple[str, str],
    curve: Callable[[Run], Curve | None],
    *,
    log: bool = False,
    marks: Callable[[Run], Values] | None = None,
) -> Figure | None:
    """One panel with a curve for every run that has one; None if none has.

    ``marks`` gives positions on the x axis, by run, that are marked with a cross at the bottom.
    """
    found = [(k, run, curve(run)) for k, run in enumerate(runs)]
    drawn = [(k, run, *xy) for k, run, xy in found if xy is not None and np.isfinite(xy[1]).any()]
    if not drawn:
        return None

    marked = [(k, marks(run)) for k, run, *_ in drawn] if marks else []

    def plot(ax: Axes) -> None:
        for k, _, x, y in drawn:
            ax.plot(x, y, **line_style(k, len(x)))
        for k, places in marked:
            feet, foot = np.full(len(places), 0.04), ax.get_xaxis_transform()
            ax.plot(places, feet, "x", color=colour(k), markersize=4, transform=foot)
        if log:
            log_axis(ax, "y", np.concatenate([y for *_, y in drawn]))
        ax.set_xlabel(axes[0])
        ax.set_ylabel(axes[1])
        ax.set_title(name, loc="left")

    ends = ", ".join(f"{short(run.name)} ends at {number(y[-1], 4)}" for _, run, _, y in drawn[:8])
    crosses = sum(len(places) for _, places in marked)
    return artist.draw(
        plot,
        alt=f"{name} ({axes[1]}) over {axes[0]}, a line for each run: {ends}"
        + (f"; {counted(crosses, 'cross', 'crosses')} at bad steps" if crosses else ""),
    )


def binned(x: Values, y: NDArray[Any], bins: int = BINS) -> Curve:
    """Means of both over ``bins`` equal parts of the rows, ignoring NaN values of y."""
    y = np.asarray(y, np.float64)
    edges = np.unique(np.linspace(0, len(x), min(bins, len(x)) + 1).astype(int))
    finite = np.isfinite(y)
    counts = np.add.reduceat(finite.astype(float), edges[:-1])
    sums = np.add.reduceat(np.where(finite, y, 0.0), edges[:-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / counts
    return np.add.reduceat(x, edges[:-1]) / np.diff(edges), means


def _trained(run: Run, column: str, factor: float = 1) -> Curve | None:
    table = run.table("train")
    return None if table is None else binned(run.epochs, factor * table[column])


def _bad_steps(run: Run) -> Values:
    """The positions of bad steps on the axis of epochs."""
    table = run.table("bad_steps")
    return np.array([]) if table is None else run.epochs_at(table["step"])


def _evaluated(run: Run, column: str, factor: float = 1) -> Curve | None:
    table = run.table("eval")
    return None if table is None else (run.epochs_at(table["step"]), factor * table[column])


def _step_times(run: Run) -> Curve | None:
    table = run.table("train")
    if table is None:
        return None
    return binned(run.epochs, np.diff(table["wall_time"], prepend=0.0))


def _free_sweeps(run: Run) -> Curve | None:
    return _trained(run, "free_sweeps")
