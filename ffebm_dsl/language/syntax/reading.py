"""A spec's text from a file, or from bytes."""

from __future__ import annotations

import os
from pathlib import Path

from ffebm_dsl.language.diagnostics import AnyPath, InputError, SourceFile

MAX_BYTES = 1 << 16
"""Largest spec that is read: about 1,500 lines."""


def refuse_long_text(source: SourceFile) -> None:
    """Raise InputError for a text that is longer than a file may be, wherever it comes from."""
    if len(source.text) > MAX_BYTES:
        raise InputError(f"the spec {source.name} is larger than {MAX_BYTES} bytes")


def read_source(path: AnyPath) -> SourceFile:
    """The text of a spec, named by ``path`` as given; a byte-order mark is dropped.

    Raises InputError where ``path`` is missing, no file, unreadable, larger than 64 KiB,
    not UTF-8, or holds NUL bytes.
    """
    name = os.fspath(path)
    try:
        if not Path(path).is_file():
            kind = "a directory" if Path(path).is_dir() else "no file"
            what = f"is {kind}" if Path(path).exists() else "does not exist"
            raise InputError(f"the spec {name} {what}", help="give the path of a .ffe file")
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as fault:
        raise InputError(f"the spec {name} cannot be read: {fault.strerror}") from None
    except ValueError:
        raise InputError(f"the spec's path {name!r} is not a path") from None
    return decode_source(content, name)


def decode_source(content: bytes, name: str) -> SourceFile:
    """The text that ``content`` is; a byte-order mark is dropped.

    Raises InputError where it is larger than 64 KiB, not UTF-8, or holds NUL bytes.
    """
    if len(content) > MAX_BYTES:
        raise InputError(f"the spec {name} is larger than {MAX_BYTES} bytes")
    if b"\0" in content:
        raise InputError(
            f"the spec {name} holds NUL bytes: it is not a text", help="save it as UTF-8"
        )
    try:
        return SourceFile(name, content.decode("utf-8-sig"))
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        byte = content[fault.start]
        raise InputError(
            f"the spec {name} is not UTF-8: line {line} holds the byte 0x{byte:02x}",
            help="save it as UTF-8",
        ) from None
