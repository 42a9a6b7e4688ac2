"""What there is to say about the word or arrow at a place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.registry import TABLES
from ffebm_dsl.language.syntax.tokens import Token, TokenKind
from ffebm_dsl.tools.editor.analysis import Analysis
from ffebm_dsl.tools.editor.docs import ARROW_DOCS, KEYWORD_DOCS, describe, describe_parameter
from ffebm_dsl.tools.editor.expect import Expected, expected
from ffebm_dsl.tools.editor.facts import connection_facts, facts
from ffebm_dsl.tools.editor.names import declaration_at
from ffebm_dsl.tools.editor.scan import scan


class Hover(NamedTuple):
    """Markdown, and the place that it is about."""

    span: Span
    text: str


def hover(analysis: Analysis, offset: int) -> Hover | None:
    """The documentation of a keyword, entry or argument; shapes and counts of what is declared."""
    position = analysis.token_at(offset)
    if position is None:
        return None
    token = analysis.tokens[position]
    said = list(_said(analysis, position, token))
    return Hover(token.span, "\n\n".join(said)) if said else None


def _said(analysis: Analysis, position: int, token: Token) -> Iterator[str]:
    if token.text in ARROW_DOCS:
        yield from connection_facts(analysis, token.span)
        yield ARROW_DOCS[token.text]
    elif token.kind is TokenKind.KEYWORD:
        yield KEYWORD_DOCS[token.text]
    elif token.kind is TokenKind.USE:
        yield KEYWORD_DOCS["use"]
    elif token.kind is TokenKind.NAME:
        found = declaration_at(analysis, token.span.start)
        if found is not None:
            yield f"```ffe\n{found.keyword} {found.name}\n```"
            yield from filter(None, [found.doc])
            yield from facts(analysis, found)
            return
        wanted = expected(scan(analysis.tokens[:position]).levels)
        named = position + 1 < len(analysis.tokens) and analysis.tokens[position + 1].text == "="
        yield from _documented(token.text, wanted, named=named)


def _documented(word: str, wanted: Expected, *, named: bool) -> Iterator[str]:
    """What the registry says: ``named`` where a ``=`` follows, so that it is an argument."""
    if named and wanted.signature is not None and word in wanted.signature.names:
        yield describe_parameter(wanted.signature.parameter(word))
    elif wanted.table and word in TABLES[wanted.table]:
        yield describe(TABLES[wanted.table][word])
    elif wanted.parameter is not None and word in wanted.parameter.choices:
        yield describe_parameter(wanted.parameter)
