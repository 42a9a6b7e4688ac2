"""Comments, which the parser skips: where they are, and what each doc comment documents."""

from __future__ import annotations

import re
from typing import NamedTuple

from ffebm_dsl.diagnostics import Span
from ffebm_dsl.syntax.ast import Comment

_STRING_OR_COMMENT = re.compile(r'"[^"\n]*"|(#[^\n]*)')
_SPACE = re.compile(r"[ \t\f\r\n]*")


def find_comments(text: str) -> tuple[Comment, ...]:
    """All comments of ``text`` in order; a ``#`` inside a string starts none."""
    return tuple(
        Comment(Span(m.start(1), m.start(1) + len(words)), words, words.startswith("##"))
        for m in _STRING_OR_COMMENT.finditer(text)
        if m.group(1) and (words := m.group(1).rstrip())
    )


class Docs(NamedTuple):
    """Doc comments by what they belong to.

    ``heading`` belongs to the whole text: the doc comments before the first declaration
    that an empty line sets off. ``before`` maps the offset of a declaration's first
    character to the text of the doc comments in front of it.
    """

    heading: str
    before: dict[int, str]


def attach_docs(text: str, comments: tuple[Comment, ...], first: int) -> Docs:
    """Give each doc comment to the code that follows it; ``first`` is where that begins."""
    heading: list[str] = []
    before: dict[int, list[str]] = {}
    for comment, (offset, gap) in zip(comments, _followers(text, comments), strict=True):
        if not comment.is_doc:
            continue
        words = comment.text.lstrip("#").strip()
        if offset == first and gap:
            heading.append(words)
        else:
            before.setdefault(offset, []).append(words)
    joined = {offset: "\n".join(lines) for offset, lines in before.items()}
    return Docs("\n".join(heading), joined)


def _followers(text: str, comments: tuple[Comment, ...]) -> list[tuple[int, bool]]:
    """For each comment: where the next code begins, and whether an empty line precedes it."""
    starts = {comment.span.start: i for i, comment in enumerate(comments)}
    found: list[tuple[int, bool]] = [(0, False)] * len(comments)
    for i in reversed(range(len(comments))):
        space = _SPACE.match(text, comments[i].span.end)
        end = space.end() if space else comments[i].span.end
        gap = text.count("\n", comments[i].span.end, end) > 1
        if end in starts:
            end, later_gap = found[starts[end]]
            gap = gap or later_gap
        found[i] = (end, gap)
    return found
