"""Output of the commands: results to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from ffebm_dsl.language.diagnostics import Piece, Role, cannot_write

if TYPE_CHECKING:
    from rich.console import RenderableType

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


_SGR = {
    Role.ERROR: "1;31",
    Role.WARNING: "1;33",
    Role.MESSAGE: "1",
    Role.FRAME: "1;34",
    Role.HINT: "1;36",
    Role.GOOD: "1;32",
}
"""The colour of each role: parameters of the escape sequence Select Graphic Rendition."""


def coloured(stream: TextIO) -> bool:
    """Whether ``stream`` gets colours: if it is a terminal, unless the environment decides.

    These decide: ``NO_COLOR``, ``FORCE_COLOR`` and ``CLICOLOR_FORCE``, in this
    order, then ``TERM=dumb``.
    """
    if os.environ.get("NO_COLOR"):
        return False
    forced = (os.environ.get(name, "") for name in ("FORCE_COLOR", "CLICOLOR_FORCE"))
    if any(value not in ("", "0") for value in forced):
        return True
    return os.environ.get("TERM") != "dumb" and stream.isatty()


def _painted(parts: tuple[Piece | str, ...], stream: TextIO) -> str:
    """The text of ``parts``, made printable, in colour where ``stream`` has colours."""
    colours = coloured(stream)
    return "".join(_paint(Piece(p) if isinstance(p, str) else p, colours) for p in parts)


def _paint(piece: Piece, colours: bool) -> str:
    text = printable(piece.text)
    if not (colours and text and piece.role in _SGR):
        return text
    return f"\x1b[{_SGR[piece.role]}m{text}\x1b[0m"


def open_streams() -> None:
    """Let standard streams that are closed lead to the null device, as a daemon's do.

    Otherwise the next file that is opened would take such a stream's place, and what is
    printed would go into it. ``sys.stdin`` stays None where there is nothing to read.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is taken, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - a descriptor
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - a descriptor
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A character that the terminal's encoding lacks is escaped, as on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _delivered() -> Iterator[None]:
    """Turn what refuses a result into an error; a reader who has gone stays BrokenPipeError.

    Raises StorageError, as for a file on a full disk.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot_write("standard output", error) from error


def flush_results() -> None:
    """Send on what is still in memory; raises as :func:`emit` does."""
    with _delivered():
        sys.stdout.flush()


def drop_results() -> None:
    """Where output cannot be written, let the interpreter's own last flush go nowhere."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(*parts: Piece | str) -> None:
    """A line for the user, on stderr; if that cannot be written, it is dropped."""
    with contextlib.suppress(OSError):
        print(_painted(parts, sys.stderr), file=sys.stderr, flush=True)


def emit(*parts: Piece | str) -> None:
    """A result, on stdout.

    Raises StorageError where it cannot be written, BrokenPipeError where its reader has gone.
    """
    with _delivered():
        print(_painted(parts, sys.stdout), flush=True)


def emit_rendered(page: RenderableType, *, breaks: bool = True) -> None:
    """A result that rich lays out, as wide as the terminal; its texts must be printable.

    Without ``breaks`` it is as wide as it needs, and the terminal breaks its lines.
    """
    from rich.console import Console

    console = Console(highlight=False, force_terminal=coloured(sys.stdout))
    if not breaks:
        unlimited = console.options.update(max_width=1000)
        console.width = max(console.width, console.measure(page, options=unlimited).maximum)
    with console.capture() as capture:
        console.print(page)
    # Rich fills every line of a table up to its width; a file or a pipe need not carry that.
    with _delivered():
        print("\n".join(line.rstrip() for line in capture.get().rstrip().split("\n")), flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [head, *rows]
    ]
    return "\n".join(lines)


@contextlib.contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on stderr, where that is a terminal: a function of what is done, of how much there is
    in all, and of what is being done."""
    from tqdm import tqdm

    with tqdm(desc=what, unit=unit, leave=False, disable=None) as bar:

        def progress(done: int, total: int, text: str) -> None:
            bar.total = total
            bar.set_postfix_str(text, refresh=False)
            bar.update(done - bar.n)

        yield progress


def emit_text(text: str) -> None:
    """A text as it is, byte by byte, on stdout: for other programs, not for a terminal."""
    with _delivered():
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()


def emit_json(value: Any) -> None:
    """A result as one JSON object on one line, on stdout; null where a number is not finite."""
    with _delivered():
        print(json.dumps(_finite(value), allow_nan=False), flush=True)


def _finite(value: Any) -> Any:
    """The value with None for every NaN and infinity in it, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value
