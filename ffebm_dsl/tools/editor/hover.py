"""What there is to say about the word or arrow at a place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.registry import TABLES
from ffebm_dsl.language.syntax import Word
from ffebm_dsl.tools.editor.analysis import Analysis
from ffebm_dsl.tools.editor.docs import ARROW_DOCS, KEYWORD_DOCS, describe, describe_parameter
from ffebm_dsl.tools.editor.expect import Expected, expected
from ffebm_dsl.tools.editor.facts import connection_facts, facts
from ffebm_dsl.tools.editor.names import declaration_at


class Hover(NamedTuple):
    """Markdown, and the place that it is about."""

    span: Span
    text: str


def hover(analysis: Analysis, offset: int) -> Hover | None:
    """The documentation of a keyword, entry or argument; shapes and counts of what is declared."""
    word = analysis.word_at(offset)
    if word is None:
        return None
    said = list(_said(analysis, word))
    return Hover(word.span, "\n\n".join(said)) if said else None


def _said(analysis: Analysis, word: Word) -> Iterator[str]:
    if word.text in ARROW_DOCS:
        yield from connection_facts(analysis, word.span)
        yield ARROW_DOCS[word.text]
    elif word.type == "REQUIREMENT":
        yield KEYWORD_DOCS["use"]
    elif word.kind == "keyword":
        yield KEYWORD_DOCS[word.text]
    elif word.type == "NAME" and analysis.program is not None:
        found = declaration_at(analysis, word.span.start)
        if found is not None:
            yield f"```ffe\n{found.keyword} {found.name}\n```"
            yield from filter(None, [found.doc])
            yield from facts(analysis, found)
            return
        yield from _documented(word.text, expected(analysis.program, word.span))


def _documented(word: str, wanted: Expected) -> Iterator[str]:
    """What the registry says."""
    if wanted.signature is not None and word in wanted.signature.names:
        yield describe_parameter(wanted.signature.parameter(word))
    elif wanted.table and word in TABLES[wanted.table]:
        yield describe(TABLES[wanted.table][word])
    elif wanted.parameter is not None and word in wanted.parameter.choices:
        yield describe_parameter(wanted.parameter)
