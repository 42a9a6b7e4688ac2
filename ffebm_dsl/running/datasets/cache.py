"""Caches of data sets that are too large for memory, as plain memory-mapped files.

A cache is a folder ``NAME.cache`` with one file of bytes per array, and ``manifest.json`` with a
fingerprint of all arrays and the name, size and time of every source file. It is written to a
temporary folder, made durable and renamed, so it is either complete or absent. Whenever it is
opened, its bytes are compared with the fingerprint; the files are read once for this, and not kept
in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ffebm_dsl.language.diagnostics import InputError, StorageError, cannot_write
from ffebm_dsl.running.datasets.file_progress import say
from ffebm_dsl.running.datasets.raw import Array, fingerprint
from ffebm_dsl.running.storage import (
    FileLock,
    publish,
    read_bounded,
    rename_durably,
    storing,
    sync_directory,
)

FORMAT, VERSION = "ffebm-data-cache", 3
MANIFEST = "manifest.json"
MANIFEST_BYTES = 1 << 20

Kinds = Mapping[str, tuple[str, tuple[int, ...]]]
"""Type and shape of one row, by the name of an array."""


@dataclass(frozen=True)
class Source:
    """A file from which a cache was made."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Cached:
    """The arrays of a cache, memory-mapped and read-only, and their fingerprint."""

    arrays: Mapping[str, Array]
    sha256: str


class Writer:
    """The arrays of a cache that is being written, row by row."""

    def __init__(self, folder: Path, kinds: Kinds) -> None:
        self._folder, self._kinds = folder, kinds
        # Unbuffered, so that errors of the disk are raised in `append`, not on closing.
        self._files = {name: (folder / name).open("xb", 0) for name in kinds}

    def append(self, name: str, rows: Array) -> None:
        """Append rows (n, *row shape), converted to the type of the array.

        Raises:
            StorageError: the disk is full or fails. It is not an OSError, which a reader that
                calls this method would attribute to its own file.
        """
        values = np.ascontiguousarray(rows, self._kinds[name][0])
        content = values.reshape(-1).view(np.uint8).data
        with storing(self._folder):
            while content:
                content = content[self._files[name].write(content) :]

    def close(self) -> None:
        """Make the arrays durable."""
        for file in self._files.values():
            with file:
                os.fsync(file.fileno())


def sources_of(paths: list[Path]) -> tuple[Source, ...]:
    """The name, size and time of each file."""
    facts = [(path.name, path.stat()) for path in paths]
    return tuple(Source(name, stat.st_size, stat.st_mtime_ns) for name, stat in facts)


def places(data_dir: Path, name: str) -> tuple[Path, Path]:
    """Possible folders of a cache: the data directory, and the user's cache folder for data
    directories that are not writable.
    """
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ffebm"
    of = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
    return data_dir / f"{name}.cache", own / f"{name}-{of}.cache"


def open_or_make(
    folders: tuple[Path, Path],
    sources: tuple[Source, ...],
    kinds: Kinds,
    fill: Callable[[Writer], None],
) -> Cached:
    """The first valid cache in ``folders``; otherwise a new one, written by ``fill`` to the first
    writable folder.

    Raises:
        StorageError: it cannot be written.
        InputError: from ``fill``. Nothing is left behind in either case.
    """
    for folder in folders:
        found = open_cache(folder, sources, kinds)
        if isinstance(found, Cached):
            return found
    folder = folders[0] if os.access(folders[0].parent, os.W_OK) else folders[1]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        place = f"the cache {folder}, in the data directory or XDG_CACHE_HOME"
        raise cannot_write(place, error) from error
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    if holder := lock.acquire():
        say(f"{holder} works on the cache {folder}; waiting for it")
        lock.acquire(wait=True)
    with lock:
        # Another process may have made it while this one waited for the lock.
        found = open_cache(folder, sources, kinds)
        if isinstance(found, Cached):
            return found
        say(f"{found}; it is made now, once, as a memory map for all runs: {folder}")
        with storing(folder):
            _make(folder, sources, kinds, fill)
        made = open_cache(folder, sources, kinds)
        if isinstance(made, str):
            raise StorageError(
                f"{made}, though it was just written", help="check the disk; then try again"
            )
        say(f"{folder} is complete and verified")
        return made


def open_cache(folder: Path, sources: tuple[Source, ...], kinds: Kinds) -> Cached | str:
    """The arrays of a cache if it is complete, of these kinds, and made from these files; else the
    reason why it cannot be used."""
    if not (folder / MANIFEST).is_file():
        return f"there is no cache {folder} yet"
    try:
        manifest = json.loads(read_bounded(folder / MANIFEST, MANIFEST_BYTES))
        if (manifest["format"], manifest["version"]) != (FORMAT, VERSION):
            return f"the cache {folder} is of another version"
        if manifest["sources"] != [asdict(source) for source in sources]:
            return f"the cache {folder} was made from other files"
        arrays = {name: _map(folder, name, kind) for name, kind in kinds.items()}
        if fingerprint(list(arrays.values())) != manifest["sha256"]:
            return f"the cache {folder} does not match its checksum"
    except (InputError, OSError, ValueError, LookupError, TypeError, RecursionError):
        return f"the cache {folder} is damaged"
    return Cached(arrays, str(manifest["sha256"]))


def _map(folder: Path, name: str, kind: tuple[str, tuple[int, ...]]) -> Array:
    dtype, row = kind
    values: Array = np.memmap(folder / name, dtype, "r")
    return values.reshape(-1, *row)


def _make(
    folder: Path,
    sources: tuple[Source, ...],
    kinds: Kinds,
    fill: Callable[[Writer], None],
) -> None:
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        with closing(Writer(unfinished, kinds)) as writer:
            fill(writer)
        arrays = [_map(unfinished, name, kind) for name, kind in kinds.items()]
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "sources": [asdict(source) for source in sources],
            "sha256": fingerprint(arrays),
        }
        publish(unfinished / MANIFEST, json.dumps(manifest, indent=1).encode())
        sync_directory(unfinished)
        if folder.exists():
            shutil.rmtree(folder)
        rename_durably(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
