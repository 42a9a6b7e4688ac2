"""Comparison of runs as in tables 1 and 2 of arXiv 2409.03306: accuracy, time, split, estimator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.tools.experiments.results import result_of
from ffebm_dsl.tools.experiments.run_comparison import differing_keys, labels_of
from ffebm_dsl.tools.report.runs import Run
from ffebm_dsl.tools.report.sections import PageTable, Section, SectionGroup
from ffebm_dsl.tools.report.text import ABSENT, counted, duration, number, printable, short

LONGEST = 60
"""Maximum number of characters of the settings of a row."""

HEAD = (
    "network",
    "settings",
    "data",
    "layers",
    "gradient",
    "epochs",
    "runs",
    "judged on",
    "top-1 %",
    "top-5 %",
    "best top-1 %",
    "loss",
    "test top-1 %",
    "wall-clock",
    "s / epoch",
)
NUMERIC = {*HEAD[HEAD.index("epochs") :]} - {"judged on"}


def comparison(runs: Sequence[Run]) -> Section:
    """One row per configuration; runs that differ only in the seed share a row."""
    anchor, title = "comparison", "Runs side by side"
    trained = [run for run in runs if run.table("train")]
    if not trained:
        return Section(anchor, title, missing="No record holds a training step.")
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in trained:
        key = run.spec.key, run.provenance("dtype"), _judged_on(run)
        groups.setdefault(key, []).append(run)
    ordered = sorted(groups.values(), key=lambda group: _order(group[0]))
    unfinished = [
        f"{run.name} ({run.attribute('status')})"
        for run in trained
        if run.attribute("status") != "finished"
    ]
    sentences = [
        "Results are those of the last evaluation during training, on the validation set if a run "
        "has one, else on the test set; the best one is the best of all evaluations. On the test "
        "set this is a choice made on it. With a validation set, the test set is read at the end, "
        "with the best weights."
    ]
    if any(len(group) > 1 for group in ordered):
        sentences.append(
            "Several seeds of one configuration share a row: mean ± standard deviation."
        )
    if unfinished:
        sentences.append(f"Not finished: {', '.join(unfinished)}.")
    rows = [_row(*found) for found in zip(ordered, _settings(ordered), strict=True)]
    return Section(anchor, title, sentences=sentences, groups=[SectionGroup(tables=[_table(rows)])])


def _table(rows: Sequence[Sequence[str]]) -> PageTable:
    """The table without columns that are empty in all rows."""
    shown = [k for k in range(len(HEAD)) if any(row[k] != ABSENT for row in rows)]
    return PageTable(
        [HEAD[k] for k in shown],
        [[row[k] for k in shown] for row in rows],
        numeric=frozenset(i for i, k in enumerate(shown) if HEAD[k] in NUMERIC),
    )


def _settings(groups: Sequence[Sequence[Run]]) -> list[str]:
    """The settings in which configurations differ, if their networks and estimators do not tell."""
    specs = [group[0].spec for group in groups]
    told = {(spec.model, spec.data, spec.split, spec.estimator) for spec in specs}
    if len(told) == len(groups):
        return [ABSENT] * len(groups)
    try:
        firsts = [result_of(group[0].name, group[0].record) for group in groups]
    except InputError:  # a record of an earlier version
        return [group[0].name for group in groups]
    labels = labels_of(firsts, differing_keys(firsts))
    return [short(printable(found), LONGEST) for found in labels]


def _order(run: Run) -> tuple[str, int, int, str, str]:
    """Sort key: data set and depth, then from one large block to many small ones."""
    spec = run.spec
    return spec.data, sum(spec.layers), len(spec.layers), spec.model, spec.estimator


def _row(group: Sequence[Run], settings: str) -> list[str]:
    spec = group[0].spec
    seeds = {run.provenance("seed") for run in group}
    count = (
        str(len(group))
        if len(seeds) == len(group)
        else f"{len(group)} ({counted(len(seeds), 'seed')})"
    )
    return [
        spec.model,
        settings,
        spec.data,
        spec.split,
        spec.estimator,
        f"{_mean([_epochs(run) for run in group]):.4g} / {spec.epochs}",
        count,
        _judged_on(group[0]),
        _spread([100 * _last(run, "top1") for run in group], "{:.2f}"),
        _spread([100 * _last(run, "top5") for run in group], "{:.2f}"),
        _spread([100 * _best(run) for run in group], "{:.2f}"),
        _spread([_last(run, "loss") for run in group], "{:.4f}"),
        _spread([100 * _last(run, "top1", "test") for run in group], "{:.2f}"),
        duration(_mean([_seconds(run) for run in group])),
        number(_mean([_seconds(run) / max(_epochs(run), 1e-9) for run in group])),
    ]


def _judged_on(run: Run) -> str:
    """The set of evaluations during training; records before 1.3 have only one."""
    return run.attribute("evaluated_on") or "test"


def _last(run: Run, column: str, group: str = "eval") -> float:
    table = run.table(group)
    return float(table[column][-1]) if table else math.nan


def _best(run: Run) -> float:
    table = run.table("eval")
    values = table["top1"] if table else np.array([])
    finite = values[np.isfinite(values)]
    return float(finite.max()) if len(finite) else math.nan


def _seconds(run: Run) -> float:
    return float(run.record["train"]["wall_time"][-1])


def _epochs(run: Run) -> float:
    return float(run.epochs[-1])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _spread(values: Sequence[float], form: str) -> str:
    """``88.20``, or ``88.20 ± 0.31`` for several values."""
    show: Callable[[float], str] = form.format
    if not all(math.isfinite(value) for value in values):
        return ABSENT
    if len(values) == 1:
        return show(values[0])
    return f"{show(_mean(values))} ± {show(float(np.std(values, ddof=1)))}"
