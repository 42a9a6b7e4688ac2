"""Records to HDF5: the file's image is built in memory and published in one rename.

HDF5 files that are written in place do not survive a kill or a full disk, so no HDF5
call here touches the file system.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np

from ffebm_dsl import __version__
from ffebm_dsl.language.diagnostics import AnyPath
from ffebm_dsl.running import seal
from ffebm_dsl.running.records.record import Array, Record, RecordTable
from ffebm_dsl.running.records.record_schema import FORMAT, FORMAT_VERSION, Field, Group
from ffebm_dsl.running.storage import publish

CHUNK_BYTES = 1 << 18


def write(record: Record, path: AnyPath) -> None:
    """Publish ``record`` at ``path``, replacing what stood there.

    Raises:
        StorageError: the file could not be written; what stood there is untouched.
    """
    publish(Path(path), image(record))


def image(record: Record) -> bytes:
    """The bytes of the HDF5 file that holds ``record``."""
    with h5py.File(
        "image", "w", driver="core", backing_store=False, libver=("v110", "v110")
    ) as file:
        _write_file(file, record)
        mark = file.create_dataset(seal.NAME, data=np.bytes_(seal.TEXT))
        mark.attrs["long_name"] = "SHA-256 of this file with the digit 0 in place of these 64"
        mark.attrs["units"] = "1"
        file.flush()
        content: bytes = file.id.get_file_image()
    return seal.sealed(content)


def utc_now() -> str:
    """The present time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_file(file: h5py.File, record: Record) -> None:
    file.attrs["NX_class"] = "NXroot"
    file.attrs["default"] = "run"
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["creator"] = f"ffebm {__version__}"
    file.attrs["file_time"] = utc_now()
    run = file.create_group("run")
    run.attrs["NX_class"] = "NXentry"
    analysis = "transients" in record.tables and not len(record["train"])
    run.attrs["default"] = "transients" if analysis else "train"
    for name, value in record.attributes.items():
        run.attrs[name] = value
    for table in record.tables.values():
        _write_table(run, table)


def _write_table(run: h5py.Group, table: RecordTable) -> None:
    group = table.group
    node = run.create_group(group.name)
    node.attrs["NX_class"] = group.nx_class
    node.attrs["long_name"] = group.title
    if group.signal:
        node.attrs["signal"] = group.signal
        node.attrs["axes"] = _axes(group)
    for field in group.fields:
        _write_field(node, group, field, table)
    _attach_scales(node, group)


def _axes(group: Group) -> list[str]:
    dims = next(field.dims for field in group.fields if field.name == group.signal)
    return list(dims)


def _write_field(node: h5py.Group, group: Group, field: Field, table: RecordTable) -> None:
    values = table[field.name]
    if field.dtype == "str":
        dtype: object = h5py.string_dtype("utf-8")
    else:
        dtype = values.dtype
    if not field.dims:
        dataset = node.create_dataset(field.name, data=values[()], dtype=dtype)
    else:
        grows = field in group.columns
        dataset = node.create_dataset(
            field.name,
            data=values,
            dtype=dtype,
            chunks=_chunks(values),
            maxshape=(None, *values.shape[1:]) if grows or not values.size else values.shape,
            fletcher32=field.dtype != "str",  # HDF5 takes no filter on text
        )
    dataset.attrs["units"] = field.units
    dataset.attrs["long_name"] = field.long_name


def _chunks(values: Array) -> tuple[int, ...]:
    """Whole rows, as many as fit ``CHUNK_BYTES``; HDF5 wants no side of a chunk to be 0."""
    width = tuple(max(side, 1) for side in values.shape[1:])
    row_bytes = values.itemsize * int(np.prod(width))
    return (max(1, min(len(values), CHUNK_BYTES // row_bytes)), *width)


def _attach_scales(node: h5py.Group, group: Group) -> None:
    scales = [field.name for field in group.fields if field.dims == (field.name,)]
    for name in scales:
        node[name].make_scale(name)
    for field in group.fields:
        for axis, dim in enumerate(field.dims):
            if dim in scales and field.name != dim:
                node[field.name].dims[axis].attach_scale(node[dim])
