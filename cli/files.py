"""Specs in and out: files or, as ``-``, standard input and output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from ffebm_dsl.cli.console import emit_text
from ffebm_dsl.language.diagnostics import InputError, SourceFile, form_of

STREAM = Path("-")
"""Standard input or output instead of a file."""


def name_of(path: Path) -> str:
    """What messages call the spec at ``path``, or on standard input."""
    return "<stdin>" if path == STREAM else str(path)


def read_spec(path: Path) -> SourceFile:
    """The text at ``path``, or that of standard input.

    Raises InputError where there is none that can be read.
    """
    from ffebm_dsl.language.syntax.reading import MAX_BYTES, decode_source, read_source

    if path != STREAM:
        return read_source(path)
    return decode_source(standard_input().read(MAX_BYTES + 1), name_of(path))


def read_text(path: Path) -> SourceFile:
    """The spec at ``path`` as text of the language, whatever its form.

    Raises InputError where there is none that can be read.
    """
    source = read_spec(path)
    if form_of(source.name) in (None, "ffe"):
        return source
    from ffebm_dsl.language.interchange import compile_source

    return compile_source(source, budget=None).source


def standard_input() -> BinaryIO:
    """The standard input of the process.

    Raises:
        InputError: it is closed.
    """
    if sys.stdin is None:
        raise InputError("standard input is closed", help="give the text, or name a file")
    return sys.stdin.buffer


def require_target(out: Path, *endings: str) -> None:
    """Refuse what ``--out`` names before the work is done that is to be written there.

    Raises:
        InputError: the name has none of the ``endings``, or the folder is not there.
    """
    if out.suffix not in endings:
        named = out.stem.strip(".-")
        example = out.with_suffix(endings[0]) if named else f"NAME{endings[0]}"
        raise InputError(f"--out {out}: not named *{endings[0]}", help=f"--out {example}")
    if not out.absolute().parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}", help="make it first")


def require_form(out: Path, form: str) -> None:
    """Refuse to write a spec in one form, such as ``yaml``, to a file that is named as another.

    Raises InputError.
    """
    named = form_of(out)
    if named not in (None, form):
        raise InputError(
            f"{out} is the name of {named.upper()}, and this would be {form.upper()}",
            help=f"name it {out.with_suffix(f'.{form}')}",
        )


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
