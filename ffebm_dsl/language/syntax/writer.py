"""Documents -> lines of text, with the comments of the source put back in between.

A comment at the end of a line stays at the end of the line that holds the word before it; a
comment on a line of its own comes before the line that holds the word after it. What is
between two words in the source is between them in the result, so no comment is lost, and no
doc comment comes to belong to something else.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax.ast import Comment
from ffebm_dsl.language.syntax.documents import (
    Document,
    Fitted,
    IfBroken,
    Indent,
    LineEnd,
    Word,
    first_at,
    flat,
    last_at,
    parts,
    room_after,
)

WIDTH = 110
"""Longest line that is not broken where it can be; comments do not count."""

STEP = 2
_CONTINUED = 4
_SPACES = " \t\f\r\n"


class Blank(Enum):
    """Whether an empty line goes before what comes next."""

    NEVER = "never"
    KEPT = "kept"  # where the source has one
    ALWAYS = "always"


class _Unwritten(NamedTuple):
    """A document still to be written, its indentation, and whether its group is broken at each
    line end, or filled."""

    indent: int
    broken: bool
    document: Document


@dataclass(slots=True)
class _Row:
    """A line of the result. ``alone``: a comment on a line of its own, or an empty line."""

    indent: int
    text: str
    alone: bool = False
    comment: str = ""


class CommentedText:
    """A text and its comments: what is between two places."""

    def __init__(self, text: str, comments: Sequence[Comment]) -> None:
        self.text = text
        self.comments = comments
        self._starts = [comment.span.start for comment in comments]

    def interrupts(self, document: Document) -> bool:
        """Whether there is a comment between two words of the document."""
        return bool(self.comments_in(Span(first_at(document), last_at(document))))

    def comments_in(self, span: Span) -> Sequence[Comment]:
        first = bisect_right(self._starts, span.start)
        return self.comments[first : bisect_right(self._starts, span.end - 1)]

    def blank_before(self, offset: int) -> bool:
        """Whether an empty line, or more, precedes ``offset``."""
        start = offset
        while start and self.text[start - 1] in _SPACES:
            start -= 1
        return self.text.count("\n", start, offset) > 1

    def is_alone(self, comment: Comment) -> bool:
        """Whether nothing but space precedes the comment on its line."""
        start = comment.span.start
        return not self.text[self.text.rfind("\n", 0, start) + 1 : start].strip(_SPACES)

    def find(self, char: str, start: int) -> int:
        """Where ``char`` first occurs after ``start``, outside of comments."""
        found = self.text.index(char, start)
        for i in range(bisect_right(self._starts, start - 1), len(self._starts)):
            if self._starts[i] > found:
                break
            if found < self.comments[i].span.end:
                found = self.text.index(char, self.comments[i].span.end)
        return found


class LineWriter:
    """Takes words in the order of the source and gives lines."""

    def __init__(self, source: CommentedText) -> None:
        self._source = source
        self._rows: list[_Row] = []
        self._waiting = deque(source.comments)
        # A line end is written when the next word or comment is known.
        self._ended: int | None = 0
        self._blank = Blank.NEVER

    def end_line(self, indent: int, blank: Blank = Blank.NEVER) -> None:
        """Let the next word begin a line, indented by ``indent`` columns."""
        self._ended, self._blank = indent, blank

    def write(self, text: str, at: int = -1) -> None:
        """Append a word; the comments that the source has before ``at`` come first."""
        self.write_comments(at)
        if not text:
            return
        if self._ended is None:
            self._rows[-1].text += text
            return
        self._begin_row(self._ended, text.lstrip(" "), at)
        self._ended, self._blank = None, Blank.NEVER

    def write_comments(self, before: int) -> None:
        """The comments that the source has before an offset and that are not written yet."""
        while self._waiting and self._waiting[0].span.start < before:
            self._write_comment(self._waiting.popleft())

    def _write_comment(self, comment: Comment) -> None:
        row = self._rows[-1] if self._rows else None
        if row and not (row.alone or row.comment or self._source.is_alone(comment)):
            row.comment = comment.text
            if self._ended is None:
                self._ended = row.indent + _CONTINUED
            return
        if self._ended is None and row:
            self._ended = row.indent + _CONTINUED
        self._begin_row(self._ended or 0, comment.text, comment.span.start)
        self._rows[-1].alone = True
        if self._blank is Blank.ALWAYS:
            self._blank = Blank.KEPT

    def _begin_row(self, indent: int, text: str, at: int) -> None:
        blank = self._blank is Blank.ALWAYS
        if self._blank is Blank.KEPT and at >= 0:
            blank = self._source.blank_before(at)
        if blank and self._rows:
            self._rows.append(_Row(0, "", alone=True))
        self._rows.append(_Row(indent, text))

    def render(self, document: Document, indent: int) -> None:
        """Write a document whose lines begin ``indent`` columns in."""
        if not self._source.interrupts(document):
            line = flat(document)
            if len(line) <= WIDTH - indent:
                self.write(line, first_at(document))
                return
        stack = [_Unwritten(indent, True, document)]
        while stack:
            indent, broken, item = stack.pop()
            if isinstance(item, str):
                self.write(item)
            elif isinstance(item, Word):
                self.write(item.text, item.at)
            elif isinstance(item, LineEnd):
                if broken or (item.flat and not self._fits(item.flat, stack)):
                    self.end_line(indent)
                else:
                    self.write(item.flat)
            elif isinstance(item, IfBroken):
                self.write(item.text if broken else "")
            elif isinstance(item, Indent):
                stack.append(_Unwritten(indent + STEP, broken, item.inside))
            elif isinstance(item, Fitted):
                interrupted = self._source.interrupts(item)
                if not interrupted and self._fits(item, stack):
                    self.write(flat(item), first_at(item))
                else:
                    stack.append(_Unwritten(indent, interrupted or not item.filled, item.inside))
            else:
                stack.extend(_Unwritten(indent, broken, part) for part in reversed(item))

    def _fits(self, first: Document, rest: list[_Unwritten]) -> bool:
        """Whether a part on one line and the ``rest``, of which the last one comes next, fit on
        the line up to where it can be broken next."""
        used = self._ended
        if used is None:
            used = self._rows[-1].indent + len(self._rows[-1].text)
        room = room_after(first, WIDTH - used)
        for _, broken, document in reversed(rest):
            for part in parts(document, groups=True):
                if room < 0:
                    return False
                if isinstance(part, LineEnd) and (broken or part.flat):
                    return True
                written = part.text if isinstance(part, IfBroken) and broken else part
                room = room_after(written, room)
        return room >= 0

    def text(self) -> str:
        """All that was written, end-of-line comments aligned in neighbouring lines."""
        self.end_line(0, Blank.KEPT)
        self.write_comments(len(self._source.text))
        lines: list[str] = []
        for _, rows in groupby(self._rows, key=lambda row: (row.alone, row.indent)):
            run = list(rows)
            column = max((len(row.text.rstrip()) for row in run if row.comment), default=0)
            for row in run:
                words = row.text.rstrip()
                if row.comment:
                    words = f"{words:{column}}  {row.comment}"
                lines.append(f"{'':{row.indent}}{words}" if words else "")
        return "\n".join(lines) + "\n"
