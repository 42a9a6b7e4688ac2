"""What the commands write: results to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import json
import sys
import unicodedata
from typing import Any

_KEPT = "\n\t"


def printable(text: str) -> str:
    """``text`` without control characters, which could rewrite what a terminal shows.

    Escape sequences, carriage returns and the characters that turn the writing
    direction are replaced by U+FFFD; newlines and tabs stay.
    """
    return "".join(
        char if char in _KEPT or unicodedata.category(char) not in ("Cc", "Cf", "Cs") else "\ufffd"
        for char in text
    )


def say(text: str) -> None:
    """A line for the user, on stderr; if that cannot be written, there is nobody to tell."""
    with contextlib.suppress(OSError):
        print(printable(text), file=sys.stderr, flush=True)


def emit(text: str) -> None:
    """A result, on stdout."""
    print(printable(text), flush=True)


def emit_text(text: str) -> None:
    """A text as it is, byte by byte, on stdout: for whoever reads on, not for a terminal."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def emit_json(value: Any) -> None:
    """A result as one JSON object on one line, on stdout. NaN and infinity are refused."""
    print(json.dumps(value, allow_nan=False), flush=True)
