"""The folder of a run, which appears complete and is never reused.

A new run is prepared in ``.NAME.partial`` beside its destination, and renamed once its first
checkpoint is durable. Every folder at its destination can therefore be resumed.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ffebm_dsl.language.diagnostics import FfebmError, InputError, cannot_write
from ffebm_dsl.running.storage import FileLock, publish, sync_directory

LOCK = ".lock"


@dataclass(frozen=True)
class RunDirectory:
    """Paths of the files of a run: ``spec.ffe``, ``run.h5`` and ``ckpt/``.

    ``destination`` is the final path of a folder that is still being prepared, None otherwise.
    """

    path: Path
    destination: Path | None = None

    @property
    def name(self) -> str:
        return (self.destination or self.path).name

    @property
    def spec(self) -> Path:
        return self.path / "spec.ffe"

    @property
    def record(self) -> Path:
        return self.path / "run.h5"

    @property
    def checkpoints(self) -> Path:
        return self.path / "ckpt"

    @property
    def lock(self) -> FileLock:
        """A lock against other training processes in the folder, not yet acquired."""
        return FileLock(self.path / LOCK)


def require_place(path: Path) -> None:
    """Check that a run can be created at ``path``, before work that would be in vain.

    Raises:
        InputError: it is not empty, or the folder that it would be in is not there.
    """
    try:
        _is_empty(path)
        os.stat(f"{path.parent}{os.sep}")  # noqa: PTH116 - Path drops the separator, which refuses files
    except OSError as error:
        raise _refuse(path, error) from error


def create(out: Path | None, spec_stem: str, spec_text: str) -> tuple[RunDirectory, FileLock]:
    """Prepare ``out``, or ``runs/<stem>-<UTC time>-<4 hex>``, with the text of the spec in it.

    An existing empty folder is used in place. The lock of the folder is acquired.

    Raises:
        InputError: ``out`` is not empty, the folder cannot be made there, or another process is
            making it.
        StorageError: the disk is full or fails.
    """
    path = out if out is not None else _fresh_name(spec_stem)
    try:
        if out is None:
            path.parent.mkdir(exist_ok=True)
        directory = RunDirectory(path) if _is_empty(path) else _partial(path)
    except OSError as error:
        raise _refuse(path, error) from error
    with ExitStack() as stack:
        stack.callback(discard, directory)
        lock = stack.enter_context(directory.lock)
        try:
            directory.checkpoints.mkdir()
        except OSError as error:
            raise _refuse(path, error) from error
        publish(directory.spec, spec_text.encode())
        stack.pop_all()
    return directory, lock


def reveal(directory: RunDirectory) -> RunDirectory:
    """Move a prepared directory to its destination, which must be free or an empty folder.

    Raises:
        InputError: something has appeared there in the meantime.
        StorageError: the disk fails.
    """
    place = directory.destination
    if place is None:
        return directory
    try:
        os.rename(directory.path, place)  # noqa: PTH104 - never onto a folder with content
        sync_directory(place.parent)
    except OSError as error:
        raise _refuse(place, error) from error
    return RunDirectory(place)


def discard(directory: RunDirectory) -> None:
    """Remove the contents of a run directory whose run could not be started."""
    if directory.destination is not None:
        shutil.rmtree(directory.path, ignore_errors=True)
        return
    shutil.rmtree(directory.checkpoints, ignore_errors=True)
    for path in (directory.spec, directory.record, directory.path / LOCK):
        path.unlink(missing_ok=True)


def open_run(path: Path) -> RunDirectory:
    """The run directory at ``path``.

    Raises:
        InputError: it is not a run directory, or one of its entries is a link to another place.
    """
    directory = RunDirectory(path)
    for needed, fits in (
        (directory.spec, stat.S_ISREG),
        (directory.record, stat.S_ISREG),
        (directory.checkpoints, stat.S_ISDIR),
    ):
        try:
            mode = needed.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(
                f"{path} is not a run directory: it has no {needed.name}",
                help="name a folder that `ffebm train` made, such as runs/digits-...",
            ) from error
        if not fits(mode):
            kind = "a link to another place" if stat.S_ISLNK(mode) else "of another kind"
            raise InputError(
                f"{path} is not a run directory: its {needed.name} is {kind}",
                help="the files of a run must be in its directory; copy them there",
            )
    return directory


def _is_empty(path: Path) -> bool:
    """Whether it is an empty folder.

    Raises:
        FileExistsError: it is anything else that exists.
    """
    empty = path.is_dir() and not any(path.iterdir())
    if not empty and (path.exists() or path.is_symlink()):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    return empty


def _partial(path: Path) -> RunDirectory:
    """A new folder beside ``path``; leftovers of a killed process are removed first."""
    partial = path.with_name(f".{path.name}.partial")
    if partial.is_dir() and not partial.is_symlink():
        if any(partial.iterdir()) and not (partial / LOCK).is_file():
            raise FileExistsError(errno.EEXIST, f"{partial} is in the way")
        with FileLock(partial / LOCK):
            shutil.rmtree(partial)
    partial.mkdir()
    return RunDirectory(partial, path)


def _fresh_name(stem: str) -> Path:
    time = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    while True:
        path = Path("runs") / f"{stem}-{time}-{secrets.token_hex(2)}"
        if not path.exists():
            return path


def _refuse(path: Path, error: OSError) -> FfebmError:
    if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR) and path.exists():
        return InputError(
            f"{path} exists and is not an empty folder",
            help="give --out a new folder, or continue the run there with --resume",
        )
    if isinstance(error, FileNotFoundError):
        return InputError(
            f"cannot create {path}: there is no folder {path.parent}",
            help=f"create it first: mkdir -p {path.parent}",
        )
    return cannot_write(path, error)
