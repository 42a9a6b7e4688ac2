"""Every exception ffebm raises on purpose, each with the exit code it leads to.

::

    FfebmError
    ├── InputError         2   the user's input is wrong: options, data, a resume that does not fit
    │   └── SpecError      2   the spec is wrong; carries its diagnostics
    ├── NegativeResult     1   the work was done, and the answer is no: a check failed
    ├── StorageError      74   the disk is full or fails
    ├── PeerLost          75   another process of the run is gone; the run can be resumed
    └── Stopped     128 + n   a signal asked for the end and the run was left resumable

Anything else that escapes is a bug in ffebm (exit code 3).
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import ClassVar

from ffebm_dsl.language.diagnostics.diagnostic import Diagnostic
from ffebm_dsl.language.diagnostics.render import render

WRONG_PLACE = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ENOTEMPTY,
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
    }
)
"""Errors of the system that another path or permission mends; all others are the disk's."""


class FfebmError(Exception):
    """Base of all errors that ffebm reports. ``help`` says what the user can do.

    ``printed`` says that the JSON object which the user asked for is on stdout already.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, help: str = "", printed: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.printed = printed

    def __str__(self) -> str:
        return f"{self.message}\n  = help: {self.help}" if self.help else self.message


class InputError(FfebmError):
    """An option, a file or a data set that cannot be used as given."""

    exit_code = 2


class SpecError(InputError):
    """A spec with at least one error; ``diagnostics`` holds all that was found, warnings too."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n\n".join(render(diagnostic) for diagnostic in diagnostics))
        self.diagnostics = tuple(diagnostics)


class NegativeResult(FfebmError):
    """The command ran to its end, and what it was asked about does not hold."""

    exit_code = 1


class StorageError(FfebmError):
    """A file could not be written: the disk is full, over quota, or fails."""

    exit_code = 74


def cannot_write(what: object, error: OSError) -> InputError | StorageError:
    """The error to raise where the system refuses to write ``what``."""
    message = f"cannot write {what}: {error.strerror}"
    if error.errno in WRONG_PLACE:
        return InputError(message, help="name a folder that exists and that you may write to")
    return StorageError(message, help="free space on the disk, then try again")


class PeerLost(FfebmError):
    """Another process that works on the same run has ended, or cannot be reached."""

    exit_code = 75


class Stopped(FfebmError):
    """A signal ended the work early; what was done is saved and can be resumed."""

    def __init__(self, signal_number: int, message: str, *, help: str = "") -> None:
        super().__init__(message, help=help)
        self.signal_number = signal_number

    @property
    def status(self) -> int:
        """Exit status by the shell's convention: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.signal_number
