"""Agreement of the gradients used with a reference, by layer (figure 5 of arXiv 2409.03306)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ffebm_dsl.running.records import RecordTable
from ffebm_dsl.tools.report.figure import INK, Artist, Figure, colour, line_style, log_axis
from ffebm_dsl.tools.report.runs import Run
from ffebm_dsl.tools.report.sections import Section, SectionGroup, limited
from ffebm_dsl.tools.report.text import number, printable, short

Values = NDArray[np.float64]

ROW = 0.165
"""Height of one parameter in a figure, inches."""

RIGHT = 0.15
"""Space for the half of a label such as 1.000 beyond the end of the axis, inches."""

COSINES = (0.99, 1.0005)
"""What an axis of cosines covers at least: labels of smaller steps would not fit beside each other,
and ``1 - cosine`` shows them."""

LEAST = 1e-9
"""Lower limit of a logarithmic axis, which rounding errors would extend."""


TRAINING_REFERENCE = (
    "In training, the reference is the implicit gradient at the states that the free phases "
    "reached. It is the gradient of the loss only if these phases have converged. The gradients of "
    "bptt are exact for the free phases as they are, converged or not: for them the figures show "
    "how far the free phases are from equilibrium, and not an error. Those of unrolled come nearer "
    "to the reference with more sweeps."
)
"""What the reference of ``/run/gradients`` is, and for which estimators it is none."""


def agreement(runs: Sequence[Run], artist: Artist) -> Section:
    """Cosine and error of every parameter, as functions of training steps or of nudged sweeps."""
    anchor, title = "cosine", "Cosine per layer"
    groups = []
    for run in runs:
        if (table := run.table("transients")) is not None:
            groups.append(_of_analysis(run, table, artist))
        if (table := run.table("gradients")) is not None:
            groups.append(_of_training(run, table, artist))
    if not groups:
        return Section(
            anchor,
            title,
            missing="No record holds a gradient diagnostic (diagnose_every in the train section) "
            "or a static analysis (ffebm check --transients).",
        )
    return Section(
        anchor,
        title,
        sentences=(
            "The cosine of the angle between the gradient in use and its reference, for every "
            "parameter tensor, and 1 - cosine on a logarithmic axis, on which small differences "
            "can be seen. Values below 1e-9 are shown as 1e-9.",
            *([TRAINING_REFERENCE] if any(run.table("gradients") for run in runs) else []),
        ),
        groups=groups,
    )


def _of_analysis(run: Run, table: RecordTable, artist: Artist) -> SectionGroup:
    last = last_rows(table)
    picked = np.arange(len(last))
    cosine, error = (table[name][last, picked] for name in ("cosine", "relative_error"))
    spread = _spread(table["cosine"])
    return SectionGroup(
        f"{run.name}: EP against autodiff",
        (
            "Points are after the last sweep, bars span all sweeps before it. Tensors whose "
            "gradient vanishes have no point.",
        ),
        _layers(list(table["parameter"]), cosine, spread, error, artist),
        by_three=True,
    )


def _of_training(run: Run, table: RecordTable, artist: Artist) -> SectionGroup:
    names, sentences = limited(list(table["parameter"]))
    cosine = table["cosine"][:, : len(names)]
    figures = _layers(
        names, _median(cosine), _spread(cosine), _median(table["relative_error"]), artist
    )
    epochs = run.epochs_at(table["step"])
    figures += [
        _over_training(epochs, table, column, what, log, artist)
        for column, what, log in (
            ("cosine", "cosine with the implicit gradient", False),
            ("relative_error", "relative error", True),
            ("norm", "gradient norm", True),
        )
    ]
    return SectionGroup(
        f"{run.name}: {run.spec.estimator} against the implicit gradient",
        (
            "Points are medians over the diagnostics of the run, bars their whole range. "
            "Over training, every line is a parameter tensor.",
            *sentences,
        ),
        figures,
        by_three=True,
    )


def last_rows(table: RecordTable) -> NDArray[np.int64]:
    """The rows of ``/run/transients`` with the last sweep of each parameter, (P,)."""
    sweeps = dict(zip(table["block"], table["sweeps"], strict=False))
    most = len(table["sweep"]) - 1
    rows = [min(max(int(sweeps.get(owner, most)), 0), most) for owner in table["parameter_block"]]
    return np.array(rows, np.int64)


def _layers(
    names: Sequence[str],
    cosine: Values,
    spread: tuple[Values, Values],
    error: Values,
    artist: Artist,
) -> list[Figure]:
    """Three panels with one row per parameter: cosine, 1 - cosine, relative error."""
    labels = [short(printable(name), 26) for name in names]
    size = (3.0, 0.85 + ROW * len(names))
    left = 0.1 + 0.052 * max(map(len, labels), default=0)
    low, high = spread

    def draw(x: Values, span: tuple[Values, Values] | None, title: str, log: bool) -> Figure:
        def plot(ax: Axes) -> None:
            _rows(ax, labels, x, span, log)
            ax.set_title(title, loc="left")

        told = ", ".join(f"{a} {number(v, 6)}" for a, v in zip(labels, x, strict=True))
        alt = f"{title} by parameter: {told}"[:2000]
        return artist.draw(plot, alt=alt, size=size, left=left, right=RIGHT)

    def apart(values: Values) -> Values:
        return np.maximum(1 - values, LEAST)

    return [
        draw(cosine, spread, "cosine", log=False),
        draw(apart(cosine), (apart(high), apart(low)), "1 - cosine", log=True),
        draw(np.maximum(error, LEAST), None, "relative error", log=True),
    ]


def _rows(
    ax: Axes, labels: Sequence[str], x: Values, span: tuple[Values, Values] | None, log: bool
) -> None:
    y = np.arange(len(labels))
    if span is not None:
        ax.hlines(y, *span, color=colour(0), alpha=0.4, linewidth=2.5)
    ax.plot(x, y, "o", color=colour(0), markersize=3.5)
    if log:
        log_axis(ax, "x", np.concatenate([x, *(span or ())]))
    else:
        ax.axvline(1.0, color=INK, linewidth=0.6)
        low, high = ax.get_xlim()
        ax.set_xlim(min(low, COSINES[0]), max(high, COSINES[1]))
        ax.ticklabel_format(axis="x", useOffset=False, style="plain")
        ax.locator_params(axis="x", nbins=3)
    ax.set_yticks(y, labels, fontsize=6.5)
    ax.set_ylim(len(labels) - 0.4, -0.6)


def _over_training(
    epochs: Values, table: RecordTable, column: str, what: str, log: bool, artist: Artist
) -> Figure:
    values = np.asarray(table[column], float)

    def plot(ax: Axes) -> None:
        for p in range(values.shape[1]):
            y = np.where(values[:, p] > 0, values[:, p], np.nan) if log else values[:, p]
            ax.plot(epochs, y, linewidth=0.9, alpha=0.8, **line_style(p, len(epochs)))
        if log:
            log_axis(ax, "y", values)
        ax.set_xlabel("epoch")
        ax.set_title(what, loc="left")

    middle = number(float(_median(_median(values)[None].T)[0]))
    return artist.draw(plot, alt=f"{what} over epochs, a line for each tensor; median {middle}")


def _median(values: Values) -> Values:
    """The median of each column without NaN; NaN for a column of NaN only."""
    columns = [column[~np.isnan(column)] for column in np.asarray(values, float).T]
    return np.array([np.median(c) if len(c) else np.nan for c in columns])


def _spread(values: Values) -> tuple[Values, Values]:
    """Minimum and maximum of each column; NaN for a column of NaN only."""
    columns = [column[~np.isnan(column)] for column in np.asarray(values, float).T]
    low, high = ([f(c) if len(c) else np.nan for c in columns] for f in (np.min, np.max))
    return np.array(low), np.array(high)
