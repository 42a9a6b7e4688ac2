"""The folder of a run: created exclusively, never reused."""

from __future__ import annotations

import errno
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ffebm_dsl.diagnostics import FfebmError, InputError, StorageError
from ffebm_dsl.records import publish, sync_directory

DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


@dataclass(frozen=True)
class RunDirectory:
    """Where the files of a run are: ``spec.ffe``, ``run.h5`` and ``ckpt/``.

    ``made`` tells whether this process made the folder itself.
    """

    path: Path
    made: bool = False

    @property
    def spec(self) -> Path:
        return self.path / "spec.ffe"

    @property
    def record(self) -> Path:
        return self.path / "run.h5"

    @property
    def checkpoints(self) -> Path:
        return self.path / "ckpt"


def create(out: Path | None, spec_stem: str, spec_text: str) -> RunDirectory:
    """Make ``out``, or ``runs/<stem>-<UTC time>-<4 hex>``, with the spec's text inside.

    Raises:
        InputError: ``out`` holds something already, or the folder cannot be made there.
        StorageError: the disk is full or fails.
    """
    path = out if out is not None else _fresh_name(spec_stem)
    try:
        if out is None:
            path.parent.mkdir(exist_ok=True)
        made = not (path.is_dir() and not any(path.iterdir()))
        if made:
            path.mkdir()
    except OSError as error:
        raise _refuse(path, error) from error
    directory = RunDirectory(path, made)
    try:
        directory.checkpoints.mkdir()
        publish(directory.spec, spec_text.encode())
        sync_directory(path.parent)
    except (StorageError, OSError) as error:
        discard(directory)
        raise _refuse(path, error) if isinstance(error, OSError) else error from error
    return directory


def discard(directory: RunDirectory) -> None:
    """Remove what was put into a run directory that was just created and came to nothing."""
    if directory.made:
        shutil.rmtree(directory.path, ignore_errors=True)
        return
    shutil.rmtree(directory.checkpoints, ignore_errors=True)
    directory.spec.unlink(missing_ok=True)
    directory.record.unlink(missing_ok=True)


def open_run(path: Path) -> RunDirectory:
    """The run directory at ``path``.

    Raises:
        InputError: it is none.
    """
    directory = RunDirectory(path)
    for needed in (directory.spec, directory.record, directory.checkpoints):
        if not needed.exists():
            raise InputError(
                f"{path} is not a run directory: it has no {needed.name}",
                help="name a folder that `ffebm train` made, such as runs/digits-...",
            )
    return directory


def _fresh_name(stem: str) -> Path:
    time = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return Path("runs") / f"{stem}-{time}-{secrets.token_hex(2)}"


def _refuse(path: Path, error: OSError) -> FfebmError:
    if error.errno in DISK_FAULTS:
        return StorageError(f"cannot create {path}: {error.strerror}")
    if isinstance(error, FileExistsError):
        return InputError(
            f"{path} exists and is not an empty folder",
            help="give --out a new folder, or continue the run there with --resume",
        )
    if isinstance(error, FileNotFoundError):
        return InputError(
            f"cannot create {path}: there is no folder {path.parent}",
            help=f"create it first: mkdir -p {path.parent}",
        )
    return InputError(
        f"cannot create {path}: {error.strerror}", help="give --out a place that is writable"
    )
