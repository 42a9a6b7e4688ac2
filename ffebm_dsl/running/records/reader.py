"""Reading of records from HDF5, with validation of everything read."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import AnyPath, InputError
from ffebm_dsl.language.diagnostics.brief import brief
from ffebm_dsl.running import seal
from ffebm_dsl.running.hdf5 import FAULTS, Refused, own_member, plain_dataset
from ffebm_dsl.running.records.record import STEP_GROUPS, Record, RecordTable, numpy_dtype
from ffebm_dsl.running.records.record_schema import (
    FORMAT,
    FORMAT_VERSION,
    GROUPS,
    RUN_ATTRIBUTES,
    RUN_STATES,
    Field,
    Group,
)
from ffebm_dsl.running.storage import read_bounded

MAX_BYTES = 1 << 33
"""Limit for the size of a file, far above that of any real record."""

SIGNATURE = b"\x89HDF\r\n\x1a\n"

NEEDED = frozenset({"provenance", "train", "events", "segments"})
"""Groups that every record has; the others are absent while they are empty."""


def read(path: AnyPath) -> Record:
    """Read a record of format ``ffebm-log`` 1.x.

    The checksum of the whole file is verified before HDF5 opens it.

    Raises:
        InputError: no such file, not HDF5, another format or version, a missing or wrong checksum,
            or content that the schema does not allow (datasets that are missing or differ in
            length, wrong types, links, steps that do not increase).
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file", help="name the run.h5 of a run directory")
    content = read_bounded(path.resolve(), MAX_BYTES)
    try:
        if not content.startswith(SIGNATURE):
            raise Refused("is not an HDF5 file")
        if not seal.fits(content):
            raise Refused("does not fit its checksum")
        with h5py.File(io.BytesIO(content), "r") as file:
            record = _record(file)
    except Refused as error:
        raise _unfit(path, str(error)) from error
    except FAULTS as error:
        raise _unfit(path, f"cannot be read as HDF5: {error}") from error
    return record


def _unfit(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path}: {reason}", help="use a run.h5 written by `ffebm train`; it may be damaged"
    )


def _record(file: h5py.File) -> Record:
    if _text(file, "format") != FORMAT:
        raise Refused(f"is not a record of format {FORMAT}")
    version = _text(file, "format_version")
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise Refused(f"has format version {brief(version)!r}, this program reads {FORMAT_VERSION}")
    run = own_member(file, "run")
    if not isinstance(run, h5py.Group):
        raise Refused("/run is missing")
    attributes = {name: _text(run, name) for name in RUN_ATTRIBUTES}
    if attributes["status"] not in RUN_STATES:
        raise Refused(f"/run has the unknown status {brief(attributes['status'])!r}")
    record = Record(attributes)
    for group in GROUPS:
        arrays = _arrays(run, group)
        if arrays or group.name in NEEDED:
            record.tables[group.name] = _table(group, arrays)
    _check_content(record)
    return record


def _text(node: Any, name: str) -> str:
    """An attribute that is a text; "" if absent."""
    value = node.attrs.get(name)
    return value if isinstance(value, str) else ""


def _place(group: Group, field: Field) -> str:
    return f"/run/{group.name}/{field.name}"


def _arrays(run: h5py.Group, group: Group) -> dict[str, NDArray[Any]]:
    """The fields of a group that are present, with texts as arrays of Python strings."""
    node = own_member(run, group.name)
    if node is None:
        return {}
    if not isinstance(node, h5py.Group):
        raise Refused(f"/run/{group.name} is not a group")
    arrays = {}
    for field in group.fields:
        dataset = plain_dataset(node, field.name, _place(group, field))
        if dataset is None:
            continue
        is_text = h5py.check_string_dtype(dataset.dtype) is not None
        values = dataset.asstr("utf-8")[()] if is_text else dataset[()]
        arrays[field.name] = np.asarray(values, object if is_text else None)
    return arrays


def _table(group: Group, arrays: dict[str, NDArray[Any]]) -> RecordTable:
    if not arrays:
        raise Refused(f"/run/{group.name} is missing")
    lengths: dict[str, int] = {}
    for field in group.fields:
        if field.name not in arrays and field.absent is not None:
            shape = [lengths[dim] for dim in field.dims]
            arrays[field.name] = np.full(shape, field.absent, numpy_dtype(field.dtype))
        if field.name not in arrays:
            raise Refused(f"{_place(group, field)} is missing")
        _check_array(arrays[field.name], field, _place(group, field), lengths)
    table = RecordTable(group, {field.name: arrays[field.name] for field in group.constants})
    table.extend({field.name: arrays[field.name] for field in group.columns})
    return table


def _check_array(array: NDArray[Any], field: Field, place: str, lengths: dict[str, int]) -> None:
    if array.dtype != numpy_dtype(field.dtype):
        raise Refused(f"{place} has type {array.dtype}, not {field.dtype}")
    if array.ndim != len(field.dims):
        raise Refused(f"{place} has {array.ndim} dimensions")
    for dim, length in zip(field.dims, array.shape, strict=True):
        if lengths.setdefault(dim, length) != length:
            raise Refused(f"{place} has {length} entries along {dim}, others {lengths[dim]}")


def _check_content(record: Record) -> None:
    for group in STEP_GROUPS:
        if group.name in record.tables and np.any(np.diff(record[group.name]["step"]) <= 0):
            raise Refused(f"/run/{group.name}/step does not increase strictly")
    provenance = record["provenance"]
    text = str(provenance["spec_text"][()])
    if hashlib.sha256(text.encode()).hexdigest() != str(provenance["spec_sha256"][()]):
        raise Refused("the spec's text does not fit its checksum")
