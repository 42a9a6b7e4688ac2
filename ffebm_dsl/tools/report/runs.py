"""Runs for the page: a record, and the description of the network in its provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import AnyPath, InputError
from ffebm_dsl.language.registry import GRADIENTS
from ffebm_dsl.running.records import BAD_STEPS, Record, RecordTable, read
from ffebm_dsl.tools.experiments.results import SWEEP
from ffebm_dsl.tools.report.text import ABSENT, counted, printable

RECORD = "run.h5"

LARGEST_DRAWN = 1e100
"""Values beyond it overflow in sums and axes."""


@dataclass(frozen=True)
class Run:
    """A record with the name of the run on the page.

    ``left_out`` counts values too large for any measurement, which are replaced by NaN. ``sweep``
    is the name of the sweep's folder that the run is in, ``""`` if there is none.
    """

    name: str
    record: Record
    left_out: int = 0
    sweep: str = ""

    def table(self, group: str) -> RecordTable | None:
        """A group that is not empty, or None."""
        table = self.record.tables.get(group)
        if table is None or (table.group.rows and not len(table)):
            return None
        return table

    def provenance(self, name: str) -> str:
        """A text or number of the provenance, as text."""
        return printable(str(self.record["provenance"][name][()]))

    def provenance_list(self, name: str) -> list[str]:
        return [printable(str(entry)) for entry in self.record["provenance"][name]]

    def attribute(self, name: str) -> str:
        return printable(self.record.attributes[name])

    @property
    def spec(self) -> Spec:
        return Spec.of(self.provenance("spec_resolved"))

    @property
    def epochs(self) -> NDArray[np.float64]:
        """Completed epochs after each training step, including fractions, (steps,)."""
        train = self.record["train"]
        size = max(1, int(self.record["provenance"]["train_samples"][()]))
        done: NDArray[np.float64] = np.cumsum(train["batch_size"], dtype=np.float64) / size
        return done

    def epochs_at(self, steps: NDArray[Any]) -> NDArray[np.float64]:
        """Completed epochs after these steps, counted from 0."""
        train = self.record["train"]
        known = np.concatenate([[0], train["step"]])
        done: NDArray[np.float64] = np.interp(steps, known, np.concatenate([[0.0], self.epochs]))
        return done


def load(path: AnyPath) -> Run:
    """The run in a run directory, or in the file of a record.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = Path(path)
    file = path / RECORD if path.is_dir() else path
    if path.is_dir() and not file.is_file():
        raise InputError(
            f"{path} is not a run directory: it has no {RECORD}",
            help="name a folder that `ffebm train` made, or a record of `ffebm check --transients`",
        )
    folder = path.resolve().parent
    name = path.resolve().name if path.is_dir() else path.stem
    sweep = printable(folder.name) if (folder / SWEEP).is_file() else ""
    record = read(file)
    return Run(printable(name), record, _leave_out_extremes(record), sweep)


def _leave_out_extremes(record: Record) -> int:
    """Set values beyond ``LARGEST_DRAWN`` to NaN, except in bad steps; return their number."""
    count = 0
    for name, table in record.tables.items():
        for field in table.group.fields if name != BAD_STEPS.name else ():
            values = table[field.name]
            if values.dtype == np.float64:
                extreme = np.isfinite(values) & (np.abs(values) > LARGEST_DRAWN)
                values[extreme] = np.nan
                count += int(extreme.sum())
    return count


@dataclass(frozen=True)
class Spec:
    """The facts of a resolved spec for the tables; a dash or nothing for missing ones."""

    model: str
    data: str
    layers: tuple[int, ...]
    estimator: str
    epochs: str
    packages: tuple[str, ...]
    key: str

    @staticmethod
    def of(resolved: str) -> Spec:
        """From the JSON of the record, whose contents are not trusted."""
        try:
            data = json.loads(resolved)
        except (ValueError, RecursionError):
            data = {}
        stages = [s for s in _list(_at(data, "model", "stages")) if _at(s, "kind") == "block"]
        estimators = dict.fromkeys(_estimator(_at(stage, "gradient")) for stage in stages)
        train = _at(data, "train")
        return Spec(
            model=_text(_at(data, "model", "name")),
            data=_text(_at(train, "data", "name")),
            layers=tuple(len(_list(_at(stage, "layers"))) for stage in stages),
            estimator=", ".join(estimators) or ABSENT,
            epochs=_text(_at(train, "epochs")),
            packages=tuple(
                f"{_text(_at(package, 'name'))} {_text(_at(package, 'version'))}"
                for package in _list(_at(data, "packages"))
            ),
            key=_without_seed(data),
        )

    @property
    def split(self) -> str:
        """``6 in blocks of 2``, ``15 as 2 2 3 3 2 3``."""
        total, sizes = sum(self.layers), set(self.layers)
        if not total:
            return ABSENT
        if len(self.layers) == 1:
            return f"{total} in 1 block"
        if len(sizes) == 1:
            return f"{total} in {counted(len(self.layers), 'block')} of {self.layers[0]}"
        return f"{total} as {' '.join(map(str, self.layers))}"


def _estimator(call: object) -> str:
    """Its title and the arguments that distinguish runs; the bare name if unknown."""
    name = _text(_at(call, "name"))
    estimator = GRADIENTS.get(name)
    if estimator is None:
        return name
    arguments = {key: _text(_at(call, "arguments", key)) for key in estimator.names}
    return f"{estimator.title} {estimator.summary(arguments)}".strip()


def _without_seed(data: object) -> str:
    """A text that is equal for runs that differ only in their seed."""
    if not isinstance(data, dict):
        return ""
    train = data.get("train")
    if isinstance(train, Mapping):
        data = data | {"train": {k: v for k, v in train.items() if k != "seed"}}
    return json.dumps(data, sort_keys=True)


def _at(data: object, *path: str) -> object:
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _list(data: object) -> list[object]:
    return data if isinstance(data, list) else []


def _text(value: object) -> str:
    """A name or a number; a dash for anything else."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return printable(str(value))
    return ABSENT
