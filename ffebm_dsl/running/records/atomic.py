"""Files that are either whole or absent, whatever happens while they are written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ffebm_dsl.language.diagnostics import InputError, StorageError

PREFIX, SUFFIX = ".", ".tmp"
"""A file that is being written is called ``.NAME.tmp``, beside the one it will replace."""


def publish(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` in one step: temporary file, fsync, rename, fsync of the folder.

    A reader sees the old content or the new one. On return the new content is durable.

    Raises:
        StorageError: the disk is full or refuses; ``path`` is as it was, or wholly new.
    """
    temporary = path.with_name(f"{PREFIX}{path.name}{SUFFIX}")
    with storing(path):
        try:
            _write_synced(temporary, content)
            os.replace(temporary, path)  # noqa: PTH105 - the rename is the commit: name the call
            sync_directory(path.parent)
        except OSError:
            _discard(temporary)
            raise


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn a refusal of the system into a message about ``path``.

    Raises:
        StorageError: whatever ran within raised an OSError.
    """
    try:
        yield
    except OSError as error:
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


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process was about to write in ``folder``.

    Raises:
        StorageError: the folder cannot be written.
    """
    with storing(folder):
        for path in folder.iterdir():
            if path.name.startswith(PREFIX) and path.name.endswith(SUFFIX):
                path.unlink()


def read_regular(path: Path, limit: int) -> bytes:
    """The content of a regular file of at most ``limit`` bytes.

    A link, a pipe or a device of that name is refused without being followed or waited for.

    Raises:
        InputError: absent, no regular file, too large, or unreadable.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            _check_regular(path, status, limit)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(status.st_size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except MemoryError as error:
        raise InputError(f"{path} does not fit into memory") from error


def _check_regular(path: Path, status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is not a regular file")
    if status.st_size > limit:
        raise InputError(f"{path} has {status.st_size} bytes; at most {limit} are read")


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
