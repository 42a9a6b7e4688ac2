"""A run's record in memory: constants, and tables that grow row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffebm_dsl.running.records.record_schema import DTYPES, GROUPS, Field, Group

Array = NDArray[Any]

STEP_GROUPS = tuple(group for group in GROUPS if group.rows == "step")


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """NumPy's type for a type of the schema; texts are Python strings."""
    return np.dtype(object) if dtype == "str" else np.dtype(DTYPES[dtype])


class Column:
    """A column that grows; its capacity doubles when it is full."""

    def __init__(self, column: Field, width: tuple[int, ...]) -> None:
        self._values: Array = np.empty((64, *width), numpy_dtype(column.dtype))
        self._name = column.name
        self.length = 0

    def append(self, value: ArrayLike) -> None:
        row = np.asarray(value, self._values.dtype)
        if row.shape != self._values.shape[1:]:
            raise ValueError(f"{self._name}: {row.shape} in a row of {self._values.shape[1:]}")
        if self.length == len(self._values):
            spare = np.empty((max(64, self.length), *row.shape), self._values.dtype)
            self._values = np.concatenate([self._values, spare])
        self._values[self.length] = row[()]  # [()] takes a text out of its 0-d array
        self.length += 1

    def extend(self, values: Array) -> None:
        self._values = np.concatenate([self.values, values.astype(self._values.dtype)])
        self.length = len(self._values)

    def cut(self, length: int) -> None:
        self.length = length

    @property
    def values(self) -> Array:
        """A view of the rows, (rows, *width)."""
        return self._values[: self.length]


class RecordTable:
    """One group of the record: constants by name, and columns of equal length.

    ``constants`` must contain every field of the group that does not grow; the lengths of
    one-dimensional ones are the widths of the columns.
    """

    def __init__(self, group: Group, constants: Mapping[str, ArrayLike]) -> None:
        self.group = group
        self.constants: dict[str, Array] = {}
        lengths: dict[str, int] = {}
        for constant in group.constants:
            value = np.asarray(constants[constant.name], numpy_dtype(constant.dtype))
            if value.ndim != len(constant.dims):
                raise ValueError(f"{group.name}/{constant.name} has {value.ndim} dimensions")
            self.constants[constant.name] = value
            lengths |= dict(zip(constant.dims, value.shape, strict=True))
        self._columns = {
            column.name: Column(column, tuple(lengths[dim] for dim in column.dims[1:]))
            for column in group.columns
        }

    def __len__(self) -> int:
        return next((column.length for column in self._columns.values()), 0)

    def __getitem__(self, name: str) -> Array:
        """The values of a field: the rows of a column so far, or a constant."""
        return self.constants[name] if name in self.constants else self._columns[name].values

    def append(self, row: Mapping[str, ArrayLike]) -> None:
        """Add one row, with exactly the columns of the group."""
        if row.keys() != self._columns.keys():
            wrong = sorted(row.keys() ^ self._columns.keys())
            raise ValueError(f"row of {self.group.name} differs from the schema in {wrong}")
        for name, column in self._columns.items():
            column.append(row[name])

    def extend(self, columns: Mapping[str, Array]) -> None:
        """Add many rows: arrays of equal length, one per column of the group."""
        for name, column in self._columns.items():
            column.extend(columns[name])

    def cut(self, step: int) -> None:
        """Drop the rows of steps after ``step``."""
        length = int(np.searchsorted(self["step"], step, side="right"))
        for column in self._columns.values():
            column.cut(length)


@dataclass
class Record:
    """A whole record. ``attributes`` are those of ``/run``; ``tables`` are by group name."""

    attributes: dict[str, str]
    tables: dict[str, RecordTable] = field(default_factory=dict)

    def __getitem__(self, group: str) -> RecordTable:
        return self.tables[group]

    def add(self, group: Group, constants: Mapping[str, ArrayLike] | None = None) -> None:
        """Add a group of the schema with its constants."""
        self.tables[group.name] = RecordTable(group, constants or {})

    def cut(self, step: int, *, evaluated: int) -> None:
        """Drop what follows a checkpoint: steps after ``step``, evaluations after ``evaluated``.

        Events and segments are kept, as a log that includes what was undone.
        """
        for group in STEP_GROUPS:
            if group.name in self.tables:
                of_evaluations = group.name in ("eval", "quantities")
                self.tables[group.name].cut(evaluated if of_evaluations else step)
