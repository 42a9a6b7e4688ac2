"""Comments, which the parser skips: where they are, and what follows them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax.ast import Comment

_STRING_OR_COMMENT = re.compile(r'"[^"\n]*"|(#[^\n]*)')
_SPACE = re.compile(r"[ \t\f\r\n]*")


def find_comments(text: str) -> tuple[Comment, ...]:
    """All comments of ``text`` in order; a ``#`` inside a string starts none."""
    return tuple(
        Comment(Span(m.start(1), m.start(1) + len(words)), words, words.startswith("##"))
        for m in _STRING_OR_COMMENT.finditer(text)
        if m.group(1) and (words := m.group(1).rstrip())
    )


def followers(text: str, comments: Sequence[Comment]) -> list[tuple[int, bool]]:
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
