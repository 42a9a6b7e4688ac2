"""Diagnostics as text with carets, and as plain records for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from ffebm_dsl.language.diagnostics.diagnostic import Diagnostic, Label
from ffebm_dsl.language.diagnostics.fix import Fix
from ffebm_dsl.language.diagnostics.source import SourceFile, Span

LONGEST = 160
"""Characters of a line that are shown; of a longer one those around the place."""


class Role(StrEnum):
    """The role of a piece of a message, by which a terminal may colour it."""

    PLAIN = "plain"
    ERROR = "error"
    WARNING = "warning"
    MESSAGE = "message"
    FRAME = "frame"
    HINT = "hint"
    GOOD = "good"


class Piece(NamedTuple):
    """Text of one role."""

    text: str
    role: Role = Role.PLAIN


def render(diagnostic: Diagnostic) -> str:
    """A diagnostic as plain text: heading, place, excerpt with carets, notes, help.

    The lines of all labelled places are shown in the order of the text, each
    underlined with ``-``; the primary place is underlined with ``^``. Tabs of the source
    are repeated in the underline, so that it lines up at any tab width.
    """
    return "".join(piece.text for piece in pieces(diagnostic))


def pieces(diagnostic: Diagnostic) -> Iterator[Piece]:
    """The text of :func:`render`, divided by role."""
    source = diagnostic.source
    line, column = source.position(diagnostic.span.start)
    yield Piece(f"{diagnostic.severity}[{diagnostic.code}]", Role(diagnostic.severity))
    yield Piece(f": {diagnostic.message}", Role.MESSAGE)
    yield Piece("\n  --> ", Role.FRAME)
    yield Piece(f"{source.name}:{line}:{column}")
    yield from _excerpt(diagnostic)
    for note in diagnostic.notes:
        yield from _remark("note", note)
    if diagnostic.help:
        yield from _remark("help", diagnostic.help)


def _remark(word: str, text: str) -> Iterator[Piece]:
    yield Piece("\n   = ", Role.FRAME)
    yield Piece(f"{word}:", Role.HINT)
    yield Piece(f" {text}")


def _excerpt(diagnostic: Diagnostic) -> Iterator[Piece]:
    """The lines of all places, each underlined."""
    source = diagnostic.source
    marks = [(Label(diagnostic.span, diagnostic.text), "^")]
    marks += [(label, "-") for label in diagnostic.labels]
    marks.sort(key=lambda mark: mark[0].span.start)
    numbers = [source.position(mark[0].span.start)[0] for mark in marks]
    gutter = len(str(max(numbers)))
    shown = (0, 0)
    for (label, char), number in zip(marks, numbers, strict=True):
        text = source.line(number)
        first = _first_shown(text, source.position(label.span.start)[1])
        if (number, first) != shown:
            excerpt = f" {text[first : first + LONGEST]}".rstrip()
            yield Piece(f"\n{number:>{gutter}} |", Role.FRAME)
            yield Piece(excerpt)
            shown = (number, first)
        yield Piece(f"\n{'':>{gutter}} | ", Role.FRAME)
        role = Role(diagnostic.severity) if char == "^" else Role.FRAME
        yield Piece(_underline(source, label, char, first), role)


def _first_shown(text: str, column: int) -> int:
    """Where the part of a line begins that is shown: at its start unless the line is long."""
    return max(0, column - 1 - LONGEST // 2) if len(text) > LONGEST else 0


def _underline(source: SourceFile, label: Label, char: str, first: int) -> str:
    span: Span = label.span
    line, column = source.position(span.start)
    text = source.line(line)
    shown = min(len(text), first + LONGEST)
    indent = "".join("\t" if c == "\t" else " " for c in text[first : column - 1])
    width = max(1, min(span.end - span.start, shown - column + 1))
    return f"{indent}{char * width} {label.text}".rstrip()


def in_words(diagnostic: Diagnostic) -> str:
    """All that a diagnostic says but for its code and places, for viewers that show those."""
    lines = [diagnostic.message, diagnostic.text, *(f"note: {note}" for note in diagnostic.notes)]
    lines.append(f"help: {diagnostic.help}" if diagnostic.help else "")
    return "\n".join(line for line in lines if line)


def to_record(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic as the flat record that ``--json`` prints; ``fix`` is null where there is none.

    Lines and columns are counted from 1; an end is the place behind the last character.
    """
    source = diagnostic.source
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        "notes": list(diagnostic.notes),
        "help": diagnostic.help,
        "fix": _fix_record(diagnostic.fix, source) if diagnostic.fix else None,
        "file": source.name,
        **_place(diagnostic.span, source),
    }


def _fix_record(fix: Fix, source: SourceFile) -> dict[str, Any]:
    edits = [{"text": edit.text, **_place(edit.span, source)} for edit in fix.edits]
    return {"title": fix.title, "edits": edits}


def _place(span: Span, source: SourceFile) -> dict[str, int]:
    keys = ("line", "column", "end_line", "end_column")
    return dict(zip(keys, source.positions(span), strict=True))
