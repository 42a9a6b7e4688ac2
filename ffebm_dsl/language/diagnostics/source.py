"""Source text and places in it.

Places are kept as character offsets; line and column exist only where a
diagnostic is shown.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

AnyPath: TypeAlias = str | os.PathLike[str]
"""The type of paths in public functions."""

FORMS = {".ffe": "ffe", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}
"""The forms of a spec, by the endings of files' names."""


def form_of(path: AnyPath) -> str | None:
    """The form that a file's ending names: ffe, yaml or json; None where it names none."""
    return FORMS.get(Path(path).suffix.lower())


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open range of character offsets, ``[start, end)``."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The smallest span that covers this one and ``other``."""
        return Span(min(self.start, other.start), max(self.end, other.end))


@dataclass(frozen=True)
class SourceFile:
    """A named text. ``name`` is what diagnostics print, usually the path as given."""

    name: str
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(i + 1 for i, char in enumerate(self.text) if char == "\n")]

    @property
    def line_count(self) -> int:
        return len(self._line_starts)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of ``offset``, both counted from 1."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def positions(self, span: Span) -> tuple[int, int, int, int]:
        """Line and column of the start of ``span``, and of the place behind its end."""
        return *self.position(span.start), *self.position(span.end)

    def line(self, number: int) -> str:
        """The text of a line (counted from 1), without its end-of-line characters."""
        start = self._line_starts[number - 1]
        end = self._line_starts[number] if number < self.line_count else len(self.text)
        return self.text[start:end].rstrip("\r\n")
