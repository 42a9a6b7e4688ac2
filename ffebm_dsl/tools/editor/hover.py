"""What there is to say about the token or arrow at a place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.registry import TABLES
from ffebm_dsl.language.registry.card import describe, describe_parameter
from ffebm_dsl.language.syntax import Token
from ffebm_dsl.tools.editor.analysis import Analysis
from ffebm_dsl.tools.editor.docs import ARROW_DOCS, KEYWORD_DOCS
from ffebm_dsl.tools.editor.expect import Expected, expected
from ffebm_dsl.tools.editor.facts import connection_facts, facts
from ffebm_dsl.tools.editor.names import declaration_at


class Hover(NamedTuple):
    """Markdown, and the place that it is about."""

    span: Span
    text: str


def hover(analysis: Analysis, offset: int) -> Hover | None:
    """The documentation of a keyword, entry or argument; shapes and counts of what is declared."""
    token = analysis.token_at(offset)
    if token is None:
        return None
    said = list(_said(analysis, token))
    return Hover(token.span, "\n\n".join(said)) if said else None


def _said(analysis: Analysis, token: Token) -> Iterator[str]:
    if token.text in ARROW_DOCS:
        yield from connection_facts(analysis, token.span)
        yield ARROW_DOCS[token.text]
    elif token.type == "REQUIREMENT":
        yield KEYWORD_DOCS["use"]
    elif token.kind == "keyword":
        yield KEYWORD_DOCS[token.text]
    elif token.type == "NAME" and analysis.program is not None:
        found = declaration_at(analysis, token.span.start)
        if found is not None:
            yield f"```ffe\n{found.keyword} {found.name}\n```"
            yield from filter(None, [found.doc])
            yield from facts(analysis, found)
            return
        yield from _documented(token.text, expected(analysis.program, token.span))


def _documented(token: str, wanted: Expected) -> Iterator[str]:
    """What the registry says."""
    if wanted.signature is not None and token in wanted.signature.names:
        yield describe_parameter(wanted.signature.parameter(token))
    elif wanted.table and token in TABLES[wanted.table]:
        yield describe(TABLES[wanted.table][token])
    elif wanted.parameter is not None and token in wanted.parameter.choices:
        yield describe_parameter(wanted.parameter)
