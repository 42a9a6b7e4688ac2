"""Specs in and out: files or, as ``-``, standard input and output."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ffebm_dsl.cli.console import emit_text
from ffebm_dsl.language.diagnostics import InputError, SourceFile, StorageError

STREAM = Path("-")
"""Stands for standard input or output where a path could stand."""


def read_spec(path: Path) -> SourceFile:
    """The text at ``path``, or that of standard input.

    Raises InputError where there is none that can be read.
    """
    from ffebm_dsl.language.syntax.reading import MAX_BYTES, decode_source, read_source

    if path != STREAM:
        return read_source(path)
    return decode_source(sys.stdin.buffer.read(MAX_BYTES + 1), "<stdin>")


def form_of(path: Path) -> str | None:
    """The form that a file's ending names: ffe, yaml or json; None where it names none."""
    return _FORMS.get(path.suffix.lower())


_FORMS = {".ffe": "ffe", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}


def write_text(path: Path, text: str) -> None:
    """Put ``text`` at ``path`` in one step, or on standard output.

    A file that is there keeps its permissions; a link keeps pointing where it does. Who
    reads the file meanwhile sees the old text or the new one.

    Raises:
        InputError: the folder does not exist, or may not be written to.
        StorageError: the disk is full or refuses.
    """
    if path == STREAM:
        emit_text(text)
        return
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        _write_synced(temporary, text.encode(), _mode(target))
        temporary.replace(target)
    except (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError) as error:
        _discard(temporary)
        raise InputError(f"cannot write {path}: {error.strerror}") from None
    except OSError as error:
        _discard(temporary)
        raise StorageError(f"cannot write {path}: {error.strerror}") from error


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777 if path.exists() else 0o666


def _write_synced(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _discard(path: Path) -> None:
    """Remove a file if that works: called where another error is already on its way."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
