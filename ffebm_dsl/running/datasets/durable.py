"""Writing files so that they are whole or not there, and saying what the disk refuses."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO, Any

from ffebm_dsl.running.storage import storing, sync_directory


def put(unfinished: Path, path: Path) -> None:
    """Make a file durable and give it its name, in one step."""
    with storing(path):
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync_directory(path.parent)


def write_whole(path: Path, text: str) -> None:
    """A small text file, whole or not there."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    with storing(path):
        unfinished.write_text(text, encoding="utf-8")
    put(unfinished, path)


def write_all(file: IO[bytes], content: bytes | memoryview) -> None:
    """All of ``content``, to an unbuffered file, which may take less at once."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]


def lock(file: IO[Any], path: Path, *, wait: bool = False) -> bool:
    """Hold an open file against other processes until it is closed; False: another holds it.

    Raises:
        StorageError: its file system has no locks.
    """
    with storing(path):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
    return True
