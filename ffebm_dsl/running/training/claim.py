"""One trainer at a time in a run directory: a lock that ends with the process that holds it."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import stat
import weakref
from pathlib import Path
from types import TracebackType

from ffebm_dsl.language.diagnostics import InputError, StorageError
from ffebm_dsl.running.records import storing

NAME = ".lock"
BUSY = (errno.EWOULDBLOCK, errno.EACCES)


class Claim:
    """The right to write into the run directory ``folder``, as long as it is held.

    As a context it is taken unless held already, and given up at the end unless ``keep`` is
    called. The kernel gives it up too when the process ends, however that happens, so a
    killed run is never locked.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._close: weakref.finalize[[int], Claim] | None = None
        self._kept = False

    def take(self) -> None:
        """Take the right to write.

        Raises:
            InputError: another process holds it, or the lock is not a plain file.
            StorageError: the folder cannot be written.
        """
        if self._close is not None:
            return
        descriptor = _open(self.folder / NAME)
        try:
            _lock(descriptor, self.folder)
        except BaseException:
            os.close(descriptor)
            raise
        self._close = weakref.finalize(self, os.close, descriptor)

    def release(self) -> None:
        """Give it up, if it is held."""
        if self._close is not None:
            self._close()
            self._close = None

    def keep(self) -> None:
        """Hold on to it beyond the end of the context that runs now."""
        self._kept = True

    def __enter__(self) -> Claim:
        self._kept = False
        self.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None or not self._kept:
            self.release()


class Unclaimed(Claim):
    """What a process holds that only helps another, which has the claim: nothing."""

    def take(self) -> None:
        """Take nothing."""


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise _planted(path) from error
        with storing(path):
            raise
    # Another name of a file elsewhere must not be written to.
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise _planted(path)
    return descriptor


def _planted(path: Path) -> InputError:
    return InputError(
        f"{path} is not a file that ffebm made", help="look where it comes from, then remove it"
    )


def _lock(descriptor: int, folder: Path) -> None:
    """Lock an open lock file and write into it who did."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in BUSY:
            raise StorageError(
                f"cannot lock {folder}: {error.strerror}",
                help="put run directories on a file system that has locks (flock)",
            ) from error
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
        raise InputError(
            f"{folder} is in use by another trainer: {holder or 'unknown'}",
            help="wait for it to end, or stop it; one process at a time works on a run",
        ) from error
    with storing(folder / NAME):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
