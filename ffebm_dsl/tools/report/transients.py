"""Gradients of EP and the implicit method by sweep: figure 3 of arXiv 2409.03306, by layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ffebm_dsl.running.records import RecordTable
from ffebm_dsl.tools.report.agreement import last_rows
from ffebm_dsl.tools.report.figure import Artist, Figure, colour
from ffebm_dsl.tools.report.runs import Run
from ffebm_dsl.tools.report.sections import Key, PageTable, Section, SectionGroup, limited
from ffebm_dsl.tools.report.text import ABSENT, counted, number, printable, short


def transients(runs: Sequence[Run], artist: Artist) -> Section:
    """For every block the weights of its layers; biases and other vectors are folded."""
    anchor, title = "transients", "Transients: EP over implicit"
    tables = [(run, table) for run in runs if (table := run.table("transients")) is not None]
    if not tables:
        return Section(
            anchor,
            title,
            missing="No record holds a static analysis; `ffebm check SPEC --transients --out "
            "FILE.h5` makes one, and this page takes it beside the runs.",
        )
    return Section(
        anchor,
        title,
        sentences=(
            "Each panel shows a few entries of one parameter's gradient, each in its own colour: "
            "EP after t nudged sweeps, over autodiff through the last t of as many free sweeps. "
            "If dashed and solid lines coincide, EP computes the implicit gradient after every "
            "nudged sweep.",
        ),
        legend=[
            Key("implicit (autodiff through the last t sweeps)", 0, wide=True),
            Key("EP after t nudged sweeps", 0, dashed=True),
        ],
        groups=[group for run, table in tables for group in _of_run(run, table, artist)],
    )


def _of_run(run: Run, table: RecordTable, artist: Artist) -> list[SectionGroup]:
    """The weights in one grid, the properties of the blocks, and the folded vectors."""
    last = last_rows(table)
    matrix = [" x " in str(shape) for shape in table["parameter_shape"]]
    weights, cut = limited([p for p, is_matrix in enumerate(matrix) if is_matrix])
    vectors, also_cut = limited([p for p, is_matrix in enumerate(matrix) if not is_matrix])
    provenance = (
        f"{counted(len(weights), 'weight tensor')}, {run.provenance('dtype')}, data: "
        f"{run.provenance('dataset_name')}, seed {run.provenance('seed')}."
    )
    groups = [
        SectionGroup(
            run.name,
            (provenance, *cut),
            [_panel(table, p, last[p], artist) for p in weights],
            tables=[_facts(table)],
        )
    ]
    if vectors:
        figures = [_panel(table, p, last[p], artist) for p in vectors]
        title = f"{run.name}: biases and other vectors"
        groups.append(SectionGroup(title, also_cut, figures, folded=True))
    return groups


def _facts(table: RecordTable) -> PageTable:
    """Properties of each block that limit how well its gradients agree."""
    rows = [
        [
            printable(str(table["block"][k])),
            number(float(table["beta"][k])),
            str(int(table["sweeps"][k])),
            number(float(table["free_residual"][k])),
            str(int(table["crossings"][k])),
            "yes" if table["mirrored"][k] else "no: they need agree after many sweeps only",
        ]
        for k in range(len(table["block"]))
    ]
    return PageTable(
        (
            "block",
            "beta",
            "nudged sweeps",
            "free residual",
            "units across a kink",
            "nudged phase is the free one reversed",
        ),
        rows,
        numeric=frozenset(range(1, 5)),
    )


def _panel(table: RecordTable, p: int, last: int, artist: Artist) -> Figure:
    name = short(printable(str(table["parameter"][p])), 34)
    sweeps, entries = table["sweep"][: last + 1], table["entry_index"][p]
    ep, unrolled = table["value"][: last + 1, p], table["value_unrolled"][: last + 1, p]
    followed = [k for k in range(len(entries)) if np.isfinite(unrolled[:, k]).any()]

    def plot(ax: Axes) -> None:
        for k in followed:
            ax.plot(sweeps, unrolled[:, k], color=colour(k), linewidth=3, alpha=0.35)
        for k in followed:
            ax.plot(sweeps, ep[:, k], color=colour(k), linestyle=(0, (3, 1.6)), linewidth=1.3)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.set_xlabel("sweeps t")
        ax.set_title(name, loc="left")

    cosine, error = (float(table[n][last, p]) for n in ("cosine", "relative_error"))
    told = f"cosine {number(cosine, 6)}, relative error {number(error, 2)}"
    if np.isnan(cosine):
        told = "the gradient vanishes"
    shape = printable(str(table["parameter_shape"][p])) or ABSENT
    ends = ", ".join(
        f"entry {int(entries[k])} EP {number(ep[-1, k])} implicit {number(unrolled[-1, k])}"
        for k in followed
    )
    return artist.draw(
        plot,
        caption=f"{shape}; {told}",
        alt=f"{name}, gradient over nudged sweeps; after {int(sweeps[-1])}: {ends or ABSENT}",
    )
