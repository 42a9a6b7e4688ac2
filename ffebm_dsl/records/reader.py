"""HDF5 to records: everything is validated before it is read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ffebm_dsl.diagnostics import InputError
from ffebm_dsl.records.record import STEP_GROUPS, Record, Table
from ffebm_dsl.records.schema import (
    FORMAT,
    FORMAT_VERSION,
    GROUPS,
    RUN_ATTRIBUTES,
    RUN_STATES,
    Field,
    Group,
)

OPTIONAL = ("eval", "relaxation", "gradients", "transients")
"""Groups that are absent until there is something to hold."""


def read(path: Path) -> Record:
    """Read a record of format ``ffebm-log`` 1.x.

    Raises:
        InputError: no such file, no HDF5, another format or version, or content that the
            schema does not allow (missing or unequally long datasets, wrong types, links,
            steps that do not increase, a spec that does not fit its checksum).
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file", help="name the run.h5 of a run directory")
    try:
        with h5py.File(path, "r") as file:
            record = _read_file(file, path)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        # h5py raises any of these for a damaged file, whichever call meets the damage.
        raise _refuse(path, f"cannot be read as HDF5: {error}") from error
    _check_content(record, path)
    return record


def _refuse(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path}: {reason}", help="use a run.h5 written by `ffebm train`; it may be damaged"
    )


def _read_file(file: h5py.File, path: Path) -> Record:
    if _text(file.attrs.get("format")) != FORMAT:
        raise _refuse(path, f"is not a record of format {FORMAT}")
    version = _text(file.attrs.get("format_version"))
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise _refuse(path, f"has format version {version!r}, this program reads {FORMAT_VERSION}")
    run = _child(file, "run", h5py.Group, path)
    attributes = {name: _text(run.attrs.get(name)) for name in RUN_ATTRIBUTES}
    if attributes["status"] not in RUN_STATES:
        raise _refuse(path, f"/run has the unknown status {attributes['status']!r}")
    record = Record(attributes)
    for group in GROUPS:
        if group.name in run or group.name not in OPTIONAL:
            node = _child(run, group.name, h5py.Group, path)
            record.tables[group.name] = _read_group(node, group, path)
    return record


def _read_group(node: h5py.Group, group: Group, path: Path) -> Table:
    lengths: dict[str, int] = {}
    datasets = {}
    for field in group.fields:
        dataset = _child(node, field.name, h5py.Dataset, path)
        _check_dataset(dataset, field, lengths, path)
        datasets[field.name] = dataset
    constants = {field.name: _values(datasets[field.name], field) for field in group.constants}
    table = Table(group, constants)
    columns = {field.name: _values(datasets[field.name], field) for field in group.columns}
    table.extend(columns)
    return table


def _child(node: h5py.Group, name: str, kind: type, path: Path) -> Any:
    where = f"{node.name.rstrip('/')}/{name}"
    link = node.get(name, getlink=True)
    if link is None:
        raise _refuse(path, f"{where} is missing")
    if not isinstance(link, h5py.HardLink):
        raise _refuse(path, f"{where} is a link to another place")
    child = node[name]
    if not isinstance(child, kind):
        raise _refuse(path, f"{where} is not a {kind.__name__.lower()}")
    return child


def _check_dataset(
    dataset: h5py.Dataset, field: Field, lengths: dict[str, int], path: Path
) -> None:
    if dataset.is_virtual or dataset.external:
        raise _refuse(path, f"{dataset.name} takes its values from another file")
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    if is_text != (field.dtype == "str") or not (is_text or dataset.dtype == field.dtype):
        raise _refuse(path, f"{dataset.name} has type {dataset.dtype}, not {field.dtype}")
    if dataset.ndim != len(field.dims):
        raise _refuse(path, f"{dataset.name} has {dataset.ndim} dimensions")
    for dim, length in zip(field.dims, dataset.shape, strict=True):
        if lengths.setdefault(dim, length) != length:
            raise _refuse(
                path, f"{dataset.name} has {length} entries along {dim}, others {lengths[dim]}"
            )


def _values(dataset: h5py.Dataset, field: Field) -> Any:
    if field.dtype == "str":
        return dataset.asstr("utf-8")[()]
    return dataset[()]


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


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
