"""Files that are either whole or absent, whatever happens while they are written."""

from __future__ import annotations

import os
from pathlib import Path

from ffebm_dsl.diagnostics import StorageError


def publish(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` in one step: temporary file, fsync, rename, fsync of the folder.

    A reader sees the old content or the new one. On return the new content is durable.

    Raises:
        StorageError: the disk is full or refuses; ``path`` is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        _write_synced(temporary, content)
        os.replace(temporary, path)  # noqa: PTH105 - the rename is the commit: name the call
        sync_directory(path.parent)
    except OSError as error:
        _discard(temporary)
        raise StorageError(
            f"cannot write {path}: {error.strerror}",
            help="free space on the disk, or make the folder writable, then continue with --resume",
        ) from error


def sync_directory(path: Path) -> None:
    """Make renames inside a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_synced(path: Path, content: bytes) -> None:
    # A leftover of a killed process is removed first: following it, were it a link, could
    # write outside the folder.
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(path: Path) -> None:
    """Remove a file if that works: called where another error is already on its way."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
