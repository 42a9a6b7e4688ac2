"""Results of runs, read from their records: configuration, settings and metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.language.ir.tools.dump import leaves
from ffebm_dsl.running.records import Record, read
from ffebm_dsl.tools.experiments.labels import SpecSetting, settings

METRICS = ("top1", "top5", "loss")
"""Metrics for comparisons; columns of ``/run/eval`` and ``/run/test``."""

SURROUNDINGS = ("dtype", "data", "ffebm")
"""What affects a run's numbers besides its spec: precision, SHA-256 of the data, program."""

SWEEP = "sweep.json"
"""The name of the file that describes a sweep, beside its run directories."""


@dataclass(frozen=True)
class Result:
    """A run: its name, seed, status, and everything that its numbers depend on.

    Attributes:
        status: ``finished``, ``stopped``, ``diverged`` or ``running``.
        metrics: the last evaluation, by set (``validation`` or ``test``), then by the names in
            ``METRICS``; NaN if undefined.
        spec: the resolved spec as plain data, without its seed.
        surroundings: the recorded values of ``SURROUNDINGS``.
        overrides: the values given with ``--set``, by key, without the seed.
        text: the spec's text.
        exact: whether every resume of the run continued it exactly.
    """

    name: str
    seed: int
    status: str
    metrics: Mapping[str, Mapping[str, float]]
    spec: Mapping[str, Any]
    surroundings: Mapping[str, str]
    overrides: Mapping[str, str]
    text: str
    exact: bool = True

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Single values of the spec by dotted keys, and the surroundings."""
        return {**leaves(self.spec), **self.surroundings}

    @cached_property
    def settable(self) -> list[SpecSetting]:
        """What ``--set`` can change in the spec."""
        return [*settings(self.spec)]


def expand(paths: Sequence[Path], note: Callable[[str], object] = lambda text: None) -> list[Path]:
    """The paths, with the folder of a sweep replaced by its run directories.

    ``note`` is called for a sweep some of whose trials have no run directory.

    Raises:
        InputError: a sweep without runs, or whose file has been changed.
    """
    found: list[Path] = []
    for path in paths:
        if not (path / SWEEP).is_file():
            found.append(path)
            continue
        names = trial_names(path)
        runs = [path / name for name in names if (path / name).is_dir()]
        if not runs:
            raise InputError(f"{path}: no trial of this sweep has begun", help="run it first")
        missing = len(names) - len(runs)
        if missing:
            note(f"note: {path}: {missing} of {len(names)} trials without a run are left out")
        found += runs
    return found


def trial_names(folder: Path) -> list[str]:
    """The names of a sweep's run directories, in the order of its trials.

    Raises:
        InputError: the sweep's file cannot be read.
    """
    try:
        data = json.loads((folder / SWEEP).read_text(encoding="utf-8"))
        names = [trial["name"] for trial in data["trials"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / SWEEP}: not the file of a sweep: {error}") from None
    return [name for name in names if isinstance(name, str) and Path(name).name == name]


def read_result(path: Path) -> Result:
    """The result of the run in a directory.

    Raises:
        InputError: it is not a run directory, or its record is damaged.
    """
    file = path / "run.h5"
    if not file.is_file():
        raise InputError(
            f"{path} is not a run directory: it has no run.h5",
            help="name folders that `ffebm train` made, or that of a sweep",
        )
    return result_of(path.resolve().name, read(file))


def result_of(name: str, record: Record) -> Result:
    """The result of the run of a record.

    Raises:
        InputError: its spec is not valid.
    """
    provenance = record["provenance"]
    overrides = dict(str(o).partition("=")[::2] for o in provenance["override"])
    overrides.pop("seed", None)
    return Result(
        name=name,
        seed=int(provenance["seed"][()]),
        status=record.attributes["status"],
        metrics=_metrics(record),
        spec=_spec(record),
        surroundings=_surroundings(record),
        overrides=overrides,
        text=str(provenance["spec_text"][()]),
        exact=bool(record.tables["segments"]["exact"].all()),
    )


def _metrics(record: Record) -> dict[str, dict[str, float]]:
    judged_on = record.attributes["evaluated_on"]
    tables = {judged_on: record.tables.get("eval"), "test": record.tables.get("test")}
    if judged_on == "test":
        tables = {"test": record.tables.get("eval")}
    return {
        on: {name: float(table[name][-1]) for name in METRICS}
        for on, table in tables.items()
        if table is not None and len(table)
    }


def _spec(record: Record) -> dict[str, Any]:
    try:
        spec: dict[str, Any] = json.loads(str(record["provenance"]["spec_resolved"][()]))
        spec["train"].pop("seed", None)
        _ = [*settings(spec)]
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        raise InputError("the record's spec is not one that was trained") from None
    return spec


def _surroundings(record: Record) -> dict[str, str]:
    provenance = record["provenance"]
    packages = dict(str(entry).partition("==")[::2] for entry in provenance["package"])
    return {
        "dtype": str(provenance["dtype"][()]),
        "data": str(provenance["dataset_sha256"][()]),
        "ffebm": packages.get("ffebm", ""),
    }
