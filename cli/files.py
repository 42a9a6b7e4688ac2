"""Specs in and out: files or, as ``-``, standard input and output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from ffebm_dsl.cli.console import emit_text
from ffebm_dsl.language.diagnostics import InputError, SourceFile

STREAM = Path("-")
"""Stands for standard input or output where a path could stand."""


def read_spec(path: Path) -> SourceFile:
    """The text at ``path``, or that of standard input.

    Raises InputError where there is none that can be read.
    """
    from ffebm_dsl.language.syntax.reading import MAX_BYTES, decode_source, read_source

    if path != STREAM:
        return read_source(path)
    return decode_source(standard_input().read(MAX_BYTES + 1), "<stdin>")


def standard_input() -> BinaryIO:
    """What the process reads.

    Raises:
        InputError: it is closed.
    """
    if sys.stdin is None:
        raise InputError("standard input is closed", help="give the text, or name a file")
    return sys.stdin.buffer


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
        StorageError: the disk is full or fails.
    """
    if path == STREAM:
        emit_text(text)
        return
    from ffebm_dsl.running.storage import publish

    publish(path.resolve(), text.encode())
