"""Writing of records to HDF5: the file is built in memory and published atomically.

HDF5 files that are written in place do not survive a kill or a full disk, so no HDF5 call here
accesses the file system.
"""

from __future__ import annotations

from collections.abc import Mapping
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

_TEXT = h5py.h5t.py_create(h5py.string_dtype("utf-8"), logical=True)
_SCALAR = h5py.h5s.create(h5py.h5s.SCALAR)


def write(record: Record, path: AnyPath) -> None:
    """Publish ``record`` at ``path``, replacing an existing file.

    Raises:
        StorageError: the file could not be written; an existing one is unchanged.
    """
    publish(Path(path), image(record))


def image(record: Record) -> bytes:
    """The bytes of the HDF5 file of ``record``."""
    with h5py.File(
        "image", "w", driver="core", backing_store=False, libver=("v110", "v110")
    ) as file:
        _write_file(file, record)
        mark = file.create_dataset(seal.NAME, data=np.bytes_(seal.TEXT))
        meaning = "SHA-256 of this file with the digit 0 in place of these 64"
        _describe(mark, long_name=meaning, units="1")
        file.flush()
        content: bytes = file.id.get_file_image()
    return seal.sealed(content)


def utc_now() -> str:
    """The current time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_file(file: h5py.File, record: Record) -> None:
    _describe(
        file,
        NX_class="NXroot",
        default="run",
        format=FORMAT,
        format_version=FORMAT_VERSION,
        creator=f"ffebm {__version__}",
        file_time=utc_now(),
    )
    run = file.create_group("run")
    analysis = "transients" in record.tables and not len(record["train"])
    default = "transients" if analysis else "train"
    _describe(run, NX_class="NXentry", default=default, **record.attributes)
    for table in record.tables.values():
        _write_table(run, table)


def _describe(node: h5py.HLObject, **texts: str) -> None:
    """Set attributes of a new node."""
    # The low-level API: through ``node.attrs`` the 150 of a record would take a third of a save.
    for name, text in texts.items():
        attribute = h5py.h5a.create(node.id, name.encode(), _TEXT, _SCALAR)
        attribute.write(np.array(text, object))


def _write_table(run: h5py.Group, table: RecordTable) -> None:
    group = table.group
    node = run.create_group(group.name)
    _describe(node, NX_class=group.nx_class, long_name=group.title)
    if group.signal:
        _describe(node, signal=group.signal)
        node.attrs["axes"] = next(list(f.dims) for f in group.fields if f.name == group.signal)
    datasets = {field.name: _write_field(node, group, field, table) for field in group.fields}
    _attach_scales(datasets, group)


def _write_field(node: h5py.Group, group: Group, field: Field, table: RecordTable) -> h5py.Dataset:
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
            fletcher32=field.dtype != "str",  # HDF5 has no filters for text
        )
    _describe(dataset, units=field.units, long_name=field.long_name)
    return dataset


def _chunks(values: Array) -> tuple[int, ...]:
    """The shape of a chunk: as many whole rows as fit into ``CHUNK_BYTES``, at least one."""
    width = tuple(max(side, 1) for side in values.shape[1:])
    row_bytes = values.itemsize * int(np.prod(width))
    return (max(1, min(len(values), CHUNK_BYTES // row_bytes)), *width)


def _attach_scales(datasets: Mapping[str, h5py.Dataset], group: Group) -> None:
    scales = [field.name for field in group.fields if field.dims == (field.name,)]
    for name in scales:
        h5py.h5ds.set_scale(datasets[name].id, name.encode())
    for field in group.fields:
        for axis, dim in enumerate(field.dims):
            if dim in scales and field.name != dim:
                h5py.h5ds.attach_scale(datasets[field.name].id, datasets[dim].id, axis)
