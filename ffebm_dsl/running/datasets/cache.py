"""A data set too large for memory, as files that are mapped into it.

A cache is a folder ``NAME.cache``: one file of bytes per array, and ``manifest.json`` with
their types and shapes, a fingerprint of all bytes, and name, size and time of the files it
was made from. It is made in a folder of another name, made durable, and renamed: it is whole
or not there. Every time it is opened, its bytes are held against the fingerprint, by reading
the files once, so that nothing stays in memory.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ffebm_dsl.language.diagnostics import StorageError, cannot_write
from ffebm_dsl.running.datasets.durable import lock, write_all
from ffebm_dsl.running.datasets.progress import say
from ffebm_dsl.running.datasets.raw import Array, hash_arrays
from ffebm_dsl.running.storage import storing, sync_directory

FORMAT, VERSION = "ffebm-data-cache", 1
MANIFEST = "manifest.json"
MANIFEST_BYTES = 1 << 20
AT_ONCE = 1 << 22

Kinds = Mapping[str, tuple[str, tuple[int, ...]]]
"""Type and shape of one row, by the name of an array."""


@dataclass(frozen=True)
class Source:
    """A file that a cache was made from."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Cached:
    """The arrays of a cache, mapped and read-only, and their fingerprint."""

    arrays: Mapping[str, Array]
    sha256: str


@dataclass(frozen=True)
class Unfit:
    """Why a cache cannot be used."""

    reason: str


class Writer:
    """The arrays of a cache in the making; rows are appended."""

    def __init__(self, folder: Path, kinds: Kinds) -> None:
        self._folder, self._kinds = folder, kinds
        self._rows = dict.fromkeys(kinds, 0)
        # Unbuffered: whatever the disk refuses is refused in `append`, not when closing.
        self._files = {name: (folder / f"{name}.bin").open("xb", 0) for name in kinds}

    def append(self, name: str, rows: Array) -> None:
        """Rows (n, *shape of one), converted to the array's type.

        Raises:
            StorageError: the disk is full or refuses. Not OSError, which a reader that
                called this would take for a fault of its own file.
        """
        dtype, shape = self._kinds[name]
        values = np.ascontiguousarray(rows.reshape(-1, *shape), dtype)
        self._rows[name] += len(values)
        with storing(self._folder):
            write_all(self._files[name], values.reshape(-1).view(np.uint8).data)

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def finish(self, sources: tuple[Source, ...]) -> None:
        """Make the arrays durable, then write the manifest."""
        for file in self._files.values():
            os.fsync(file.fileno())
        arrays = _declare(self._kinds, self._rows)
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "sources": [asdict(source) for source in sources],
            "arrays": arrays,
            "sha256": _fingerprint(self._folder, arrays),
        }
        with (self._folder / MANIFEST).open("x") as text:
            json.dump(manifest, text, indent=1)
            text.flush()
            os.fsync(text.fileno())


def sources_of(paths: list[Path]) -> tuple[Source, ...]:
    """Name, size and time of files."""
    facts = [(path.name, path.stat()) for path in paths]
    return tuple(Source(name, stat.st_size, stat.st_mtime_ns) for name, stat in facts)


def places(data_dir: Path, name: str) -> tuple[Path, Path]:
    """Where a cache may be: in the data directory, or in the user's own cache folder, for
    data directories that cannot be written to."""
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ffebm"
    of = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
    return data_dir / f"{name}.cache", own / f"{name}-{of}.cache"


def open_or_make(
    folders: tuple[Path, Path],
    sources: tuple[Source, ...],
    kinds: Kinds,
    fill: Callable[[Writer], None],
) -> Cached:
    """The first cache in ``folders`` that fits and verifies; else one made by ``fill``, in the
    first folder that can be written to.

    Raises:
        StorageError: it cannot be written.
        InputError: from ``fill``. Nothing is left behind in either case.
    """
    for folder in folders:
        found = open_cache(folder, sources, kinds)
        if isinstance(found, Cached):
            return found
    folder = folders[0] if os.access(folders[0].parent, os.W_OK) else folders[1]
    with _locked(folder):
        # Another process may have made it while this one waited.
        found = open_cache(folder, sources, kinds)
        if isinstance(found, Cached):
            return found
        say(f"{found.reason}; it is made now, once, as a memory map for all runs: {folder}")
        with storing(folder):
            _make(folder, sources, kinds, fill)
        made = open_cache(folder, sources, kinds)
        if isinstance(made, Unfit):
            raise StorageError(
                f"{made.reason}, though it was just written", help="check the disk; then try again"
            )
        say(f"{folder} is complete and verified")
        return made


def open_cache(folder: Path, sources: tuple[Source, ...], kinds: Kinds) -> Cached | Unfit:
    """The arrays of a cache, if it is whole, of these kinds, and was made from these files."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            manifest = json.loads(file.read(MANIFEST_BYTES))
        if (manifest["format"], manifest["version"]) != (FORMAT, VERSION):
            return Unfit(f"the cache {folder} is of another version")
        if manifest["sources"] != [asdict(source) for source in sources]:
            return Unfit(f"the cache {folder} was made from other files")
        rows = {name: manifest["arrays"][name]["shape"][0] for name in kinds}
        declared = _declare(kinds, rows)
        if manifest["arrays"] != declared:
            return Unfit(f"the cache {folder} is damaged")
        arrays = {name: _map(folder / f"{name}.bin", **declared[name]) for name in kinds}
        if _fingerprint(folder, declared) != manifest["sha256"]:
            return Unfit(f"the cache {folder} does not match its checksum")
    except FileNotFoundError:
        return Unfit(f"there is no cache {folder} yet")
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return Unfit(f"the cache {folder} is damaged")
    return Cached(arrays, str(manifest["sha256"]))


def _declare(kinds: Kinds, rows: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Types and shapes as the manifest has them."""
    return {
        name: {"dtype": dtype, "shape": [rows[name], *shape]}
        for name, (dtype, shape) in kinds.items()
    }


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
        writer = Writer(unfinished, kinds)
        try:
            fill(writer)
            writer.finish(sources)
        finally:
            writer.close()
        sync_directory(unfinished)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
        sync_directory(folder.parent)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _map(path: Path, dtype: str, shape: list[int]) -> Array:
    """A file of exactly so many values, mapped; ValueError where it is not."""
    kind = np.dtype(dtype)
    if type(shape[0]) is not int or shape[0] < 1:
        raise ValueError("no such array")
    size = math.prod(shape) * kind.itemsize
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size != size:
            raise ValueError("another size than declared")
        mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, kind).reshape(shape)


def _fingerprint(folder: Path, declared: Mapping[str, Any]) -> str:
    return hash_arrays(
        (array["dtype"], tuple(array["shape"]), _chunks(folder / f"{name}.bin"))
        for name, array in declared.items()
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(AT_ONCE):
            yield chunk


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time: whoever comes second finds the cache made."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = folder.with_name(f".{folder.name}.lock").open("w")
    except OSError as error:
        raise cannot_write(
            f"the cache {folder}, in the data directory or XDG_CACHE_HOME", error
        ) from error
    with file:
        if not lock(file, folder):
            say(f"another process works on the cache {folder}; waiting for it")
            lock(file, folder, wait=True)
        yield
