"""Doc comments, and the declarations that they document.

A comment on a line of its own belongs to the declaration that follows it; one at the end of a
line, or inside a declaration, to that declaration. Of a declaration with braces, only the head
counts, up to its `{`, and its `}`: a comment in between belongs to the statements there. Each
token keeps its comments when a text is formatted, so no layout changes what a comment documents.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.lexer import Token

_HEADING = -1
"""Key of the doc comments of the whole text."""


class _Declaration(NamedTuple):
    """Offsets of the start of a declaration, the end of its head, and its end."""

    start: int
    head: int
    end: int


def with_docs(program: ast.Program, tokens: Sequence[Token], code: Sequence[Token]) -> ast.Program:
    """``program``, made of ``code``, with its doc comments in the ``doc`` of its nodes.

    ``tokens`` are all those of the text, comments too.
    """
    if not any(comment.is_doc for comment in program.comments):
        return program
    braces = [token.span.end for token in code if token.type == "_LBRACE"]
    declared = [*_declarations(program.items, braces)]
    ends = {found.end: found.start for found in declared}
    first = next((item.span.start for item in program.items), program.span.end)
    docs: dict[int, list[str]] = defaultdict(list)
    following, gap, line = None, False, 0
    for i, token in reversed([*enumerate(tokens)]):
        if token.type != "COMMENT":
            following, gap = token, False
        else:
            gap = gap or line - token.line > 1
            if token.leads:
                start = _head_of(following, declared) if following else None
                is_heading = gap and following is not None and following.span.start == first
            else:
                before = tokens[i - 1].span
                start = _head_of(tokens[i - 1], declared)
                start = ends.get(before.end) if start is None else start
                is_heading = before.start < first
            if is_heading:
                start = _HEADING
            if token.text.startswith("##") and start is not None:
                docs[start].append(token.text.lstrip("#").strip())
        line = token.line
    texts = {start: "\n".join(reversed(lines)) for start, lines in docs.items()}
    items = tuple(_documented(item, texts) for item in program.items)
    return program._replace(items=items, doc=texts.get(_HEADING, ""))


def _head_of(token: Token, declared: Sequence[_Declaration]) -> int | None:
    """Where the declaration begins whose head ``token`` is in; None where it is in none."""
    last = bisect_right(declared, token.span.start, key=lambda found: found.start) - 1
    return declared[last].start if last >= 0 and token.span.start < declared[last].head else None


def _declarations(statements: Sequence[Any], braces: Sequence[int]) -> Iterator[_Declaration]:
    """In the order of the text; ``braces`` are the ends of all `{`."""
    for node in statements:
        start, end = node.span.start, node.span.end
        if "doc" in node._fields:
            brace = bisect_right(braces, start)
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
