"""Doc comments: what each of them documents.

A comment on a line of its own belongs to the declaration that follows it; one at the end of a
line, or inside a declaration, to that declaration. Of a declaration with braces, only the head
counts, up to its `{`, and its `}`: a comment in between belongs to the statements there. Each
token keeps its comments when a text is formatted, so no layout changes what a comment documents.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.lexer import Token

_HEADING, _NOTHING = -1, -2
"""In the place of where a declaration starts: the whole text, and what is no declaration."""


def with_docs(
    program: ast.Program, text: str, tokens: Sequence[Token], code: Sequence[Token]
) -> ast.Program:
    """``program``, made of ``code``, with its doc comments in the ``doc`` of its nodes; all
    ``tokens`` of the text say what follows a comment."""
    if not any(comment.is_doc for comment in program.comments):
        return program
    places = _Places(program, text, code)
    docs: dict[int, str] = {}
    followers = _followers(tokens)
    for comment in program.comments:
        if not comment.is_doc:
            continue
        start = places.of(comment)
        if start is None:
            start, gap = followers[comment.span.start]
            if gap and start == places.first:
                start = _HEADING
        line = comment.text.lstrip("#").strip()
        docs[start] = f"{docs[start]}\n{line}" if start in docs else line
    items = tuple(_documented(item, docs) for item in program.items)
    return program._replace(items=items, doc=docs.get(_HEADING, ""))


class _Declaration(NamedTuple):
    """Where one begins, where its head ends, and where all of it does."""

    start: int
    head: int
    end: int


class _Places:
    """The declarations of a text, and the tokens around its comments."""

    def __init__(self, program: ast.Program, text: str, tokens: Sequence[Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.first = program.items[0].span.start if program.items else None
        self._starts = [token.span.start for token in tokens]
        braces = [token.span.end for token in tokens if token.type == "_LBRACE"]
        self._declarations = [*_declarations(program.items, braces)]
        self._ends = {declared.end: declared.start for declared in self._declarations}

    def of(self, comment: ast.Comment) -> int | None:
        """Where the declaration begins that the comment ends or is inside of; None for a comment
        on a line of its own between two statements."""
        at = comment.span.start
        before = (
            self.tokens[bisect_left(self._starts, at) - 1].span.end if self._starts[0] < at else 0
        )
        ends_line = before > 0 and "\n" not in self.text[before:at]
        if self.first is None or at < self.first:
            return _HEADING if ends_line else None
        last = bisect_left(self._declarations, (at,)) - 1
        start, head, _ = self._declarations[last]
        if at < head or (ends_line and before == head):
            return start
        return self._ends.get(before, _NOTHING) if ends_line else None


def _declarations(statements: Sequence[Any], braces: Sequence[int]) -> Iterator[_Declaration]:
    """In the order of the text; ``braces`` are the ends of all `{`."""
    for node in statements:
        start, end = node.span.start, node.span.end
        if "doc" in node._fields:
            brace = bisect_left(braces, start)
            head = min(braces[brace], end) if brace < len(braces) else end
            yield _Declaration(start, head, end)
        yield from _declarations(getattr(node, "statements", ()), braces)


def _documented(node: Any, docs: dict[int, str]) -> Any:
    """A statement, and those in it, with their doc comments."""
    changes: dict[str, Any] = {}
    if "statements" in node._fields:
        changes["statements"] = tuple(_documented(inner, docs) for inner in node.statements)
    if "doc" in node._fields:
        changes["doc"] = docs.get(node.span.start, "")
    return node._replace(**changes) if changes else node


def _followers(tokens: Sequence[Token]) -> dict[int, tuple[int, bool]]:
    """For each comment, by its start: where the next code begins, and whether an empty line
    precedes it."""
    found: dict[int, tuple[int, bool]] = {}
    start, line, gap = _NOTHING, 0, False
    for token in reversed(tokens):
        if token.type == "COMMENT":
            gap = gap or line - token.line > 1
            found[token.span.start] = start, gap
        else:
            start, gap = token.span.start, False
        line = token.line
    return found
