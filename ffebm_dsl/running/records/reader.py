"""HDF5 to records: everything is validated before it is believed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.running.records.foreign import Content, UnfitFile, load
from ffebm_dsl.running.records.record import STEP_GROUPS, Record, Table, numpy_dtype
from ffebm_dsl.running.records.schema import (
    FORMAT,
    FORMAT_VERSION,
    GROUPS,
    RUN_ATTRIBUTES,
    RUN_STATES,
    Field,
    Group,
)

OPTIONAL = ("eval", "relaxation", "gradients", "bad_steps", "transients")
"""Groups that are absent until there is something to hold."""

WITHOUT_SEAL = "1.0"
"""The version of the format that had no checksum over the whole file."""


def read(path: Path, *, trusted: bool = False) -> Record:
    """Read a record of format ``ffebm-log`` 1.x.

    The file is opened by a process of its own, for HDF5 files can crash or hang the library
    that reads them. ``trusted`` says that this program wrote it and nobody else could change
    it: then it is opened here, which saves the start of a process.

    Raises:
        InputError: no such file, no HDF5, another format or version, or content that the
            schema does not allow (missing or unequally long datasets, wrong types, links,
            steps that do not increase, a checksum that does not fit).
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file", help="name the run.h5 of a run directory")
    names = [_place(group, field) for group in GROUPS for field in group.fields]
    wanted = {"": ("format", "format_version"), "run": tuple(RUN_ATTRIBUTES)}
    try:
        content = load(path, names, wanted, seal=True, trusted=trusted)
    except UnfitFile as error:
        raise _refuse(path, error.reason) from error
    record, version = _record(content, path)
    _check_content(record, path)
    if not content.sealed and version != WITHOUT_SEAL:
        raise _refuse(path, "the file has lost its checksum")
    return record


def _place(group: Group, field: Field) -> str:
    return f"/run/{group.name}/{field.name}"


def _refuse(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path}: {reason}", help="use a run.h5 written by `ffebm train`; it may be damaged"
    )


def _record(content: Content, path: Path) -> tuple[Record, str]:
    """The record, and the version of its format."""
    if content.attributes[""].get("format") != FORMAT:
        raise _refuse(path, f"is not a record of format {FORMAT}")
    version = content.attributes[""].get("format_version", "")
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise _refuse(path, f"has format version {version!r}, this program reads {FORMAT_VERSION}")
    if "run" not in content.names:
        raise _refuse(path, "/run is missing")
    attributes = {name: content.attributes["run"].get(name, "") for name in RUN_ATTRIBUTES}
    if attributes["status"] not in RUN_STATES:
        raise _refuse(path, f"/run has the unknown status {attributes['status']!r}")
    record = Record(attributes)
    for group in GROUPS:
        present = any(_place(group, field) in content.arrays for field in group.fields)
        if present or group.name not in OPTIONAL:
            if not present:
                raise _refuse(path, f"/run/{group.name} is missing")
            record.tables[group.name] = _table(content, group, path)
    return record, version


def _table(content: Content, group: Group, path: Path) -> Table:
    lengths: dict[str, int] = {}
    values = {}
    for field in group.fields:
        place = _place(group, field)
        if place not in content.arrays:
            raise _refuse(path, f"{place} is missing")
        _check_array(content.arrays[place], field, place, lengths, path)
        values[field.name] = content.arrays[place]
    table = Table(group, {field.name: values[field.name] for field in group.constants})
    table.extend({field.name: values[field.name] for field in group.columns})
    return table


def _check_array(
    array: NDArray[Any], field: Field, place: str, lengths: dict[str, int], path: Path
) -> None:
    if array.dtype != numpy_dtype(field.dtype):
        raise _refuse(path, f"{place} has type {array.dtype}, not {field.dtype}")
    if array.ndim != len(field.dims):
        raise _refuse(path, f"{place} has {array.ndim} dimensions")
    for dim, length in zip(field.dims, array.shape, strict=True):
        if lengths.setdefault(dim, length) != length:
            raise _refuse(path, f"{place} has {length} entries along {dim}, others {lengths[dim]}")


def _check_content(record: Record, path: Path) -> None:
    for group in STEP_GROUPS:
        if group.name in record.tables:
            steps = record[group.name]["step"]
            if np.any(np.diff(steps) <= 0):
                raise _refuse(path, f"/run/{group.name}/step does not increase strictly")
    provenance = record["provenance"]
    text = str(provenance["spec_text"][()])
    if hashlib.sha256(text.encode()).hexdigest() != str(provenance["spec_sha256"][()]):
        raise _refuse(path, "the spec's text does not fit its checksum")
