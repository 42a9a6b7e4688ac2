"""Diagnostics as text with carets, and as plain records for JSON."""

from __future__ import annotations

from typing import Any

from ffebm_dsl.language.diagnostics.diagnostic import Diagnostic, Label
from ffebm_dsl.language.diagnostics.fix import Fix
from ffebm_dsl.language.diagnostics.source import SourceFile, Span

LONGEST = 160
"""Characters of a line that are shown; of a longer one those around the place."""


def render(diagnostic: Diagnostic) -> str:
    """A diagnostic as a terminal shows it: heading, place, excerpt with carets, notes, help.

    The lines of all labelled places are shown in the order of the text, each
    underlined with ``-``; the primary place is underlined with ``^``. Tabs of the source
    are repeated in the underline, so that it lines up at any tab width.
    """
    source = diagnostic.source
    line, column = source.position(diagnostic.span.start)
    head = f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}"
    rows = [head, f"  --> {source.name}:{line}:{column}"]
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
            rows.append(f"{number:>{gutter}} | {text[first : first + LONGEST]}".rstrip())
            shown = (number, first)
        rows.append(f"{'':>{gutter}} | {_underline(source, label, char, first)}")
    rows += [f"   = note: {note}" for note in diagnostic.notes]
    if diagnostic.help:
        rows.append(f"   = help: {diagnostic.help}")
    return "\n".join(rows)


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
    line, column = source.position(span.start)
    end_line, end_column = source.position(span.end)
    return {"line": line, "column": column, "end_line": end_line, "end_column": end_column}
