"""Atomic writing of files, locks that end with their process, and bounded reads."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import stat
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from ffebm_dsl.language.diagnostics import InputError, StorageError, cannot_write

PREFIX, SUFFIX = ".", ".tmp"
"""A file that is being written is named ``.NAME.tmp``, beside the one that it will replace."""

NOT_PLAIN = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR})


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an OSError into a message that ``path`` cannot be written.

    Raises:
        InputError: the folder does not exist or is not writable.
        StorageError: the disk is full or fails.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


def publish(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically: temporary file, fsync, rename, fsync of the folder.

    A reader sees either the old content or the new one. On return the new content is durable.
    A file that is replaced passes on its permissions.

    Raises:
        InputError, StorageError: as :func:`storing`; ``path`` is unchanged or completely written.
    """
    with storing(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        temporary = path.with_name(f"{PREFIX}{path.name}{SUFFIX}")
        try:
            _write_synced(temporary, content, like=path)
            os.replace(temporary, path)  # noqa: PTH105 - the rename is the commit: name the call
            sync_directory(path.parent)
        except OSError:
            _discard(temporary)
            raise


def rename_durably(temporary: Path, path: Path) -> None:
    """Rename a file or folder whose content is synced; the new name is durable on return."""
    with storing(path):
        os.replace(temporary, path)  # noqa: PTH105 - the rename is the commit: name the call
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames inside a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed process left in ``folder``."""
    with storing(folder):
        for path in folder.iterdir():
            if path.name.startswith(PREFIX) and path.name.endswith(SUFFIX):
                path.unlink()


def read_bounded(path: Path, limit: int) -> bytes:
    """The content of a regular file of at most ``limit`` bytes.

    A link, pipe or device of that name is refused without following it or waiting for it.

    Raises:
        InputError: absent, not a regular file, too large, or unreadable.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{path} is not a regular file")
            if status.st_size > limit:
                raise InputError(f"{path} has {status.st_size} bytes; at most {limit} are read")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(status.st_size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except MemoryError as error:
        raise InputError(f"{path} does not fit into memory") from error


class FileLock:
    """A lock on the file at ``path`` against other processes; a context acquires and releases it.

    The kernel releases it when the process ends, for whatever reason. The file contains the name of
    the process that holds the lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._close: weakref.finalize[[int], FileLock] | None = None

    def acquire(self, *, wait: bool = False) -> str:
        """Acquire the lock unless this object holds it; return "" or the name of the holder.

        With ``wait``, return only once the lock is held.

        Raises:
            InputError: the path is not a regular file, or is not writable.
            StorageError: the disk is full, or its file system does not support locks.
        """
        if self._close is not None:
            return ""
        descriptor = _open_plain(self.path)
        try:
            holder = _lock(descriptor, self.path, wait)
        except BaseException:
            os.close(descriptor)
            raise
        if holder:
            os.close(descriptor)
        else:
            self._close = weakref.finalize(self, os.close, descriptor)
        return holder

    def release(self) -> None:
        """Release the lock if it is held."""
        if self._close is not None:
            self._close()
            self._close = None

    def __enter__(self) -> Self:
        holder = self.acquire()
        if holder:
            raise InputError(
                f"{self.path.parent} is in use by {holder}",
                help="wait for it to end, or stop it; only one process may use it",
            )
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def _open_plain(path: Path) -> int:
    """A descriptor of the file at ``path``, created if absent; links and devices are refused."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with storing(path):
        try:
            descriptor = os.open(path, flags, 0o644)
        except OSError as error:
            if error.errno in NOT_PLAIN:
                raise _planted(path) from error
            raise
    # A hard link to a file elsewhere must not be written to.
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise _planted(path)
    return descriptor


def _lock(descriptor: int, path: Path, wait: bool) -> str:
    """Lock an open file and write the name of this process into it, or return the holder's name."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
    except OSError as error:
        raise StorageError(
            f"cannot lock {path}: {error.strerror}",
            help="use a file system that has locks (flock)",
        ) from error
    with storing(path):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
    return ""


def _planted(path: Path) -> InputError:
    return InputError(
        f"{path} is not a file that ffebm made", help="check where it comes from, then remove it"
    )


def _write_synced(path: Path, content: bytes, like: Path) -> None:
    # A leftover of a killed process is removed first: if it were a link, following it could
    # write outside the folder.
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        if like.is_file():
            os.fchmod(descriptor, stat.S_IMODE(like.stat().st_mode))
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(path: Path) -> None:
    """Remove a file if possible; called while another error is being raised."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
