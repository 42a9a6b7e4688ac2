"""What could be written at a place."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.registry import OPS, TABLES, Kind, Parameter
from ffebm_dsl.language.syntax.tokens import Token, TokenKind
from ffebm_dsl.tools.editor.analysis import Analysis
from ffebm_dsl.tools.editor.docs import KEYWORD_DOCS, describe, describe_parameter
from ffebm_dsl.tools.editor.expect import Expected, expected
from ffebm_dsl.tools.editor.names import PORTS, formals, members, outputs, visible
from ffebm_dsl.tools.editor.scan import Declaration, Level, scan


class CompletionKind(Enum):
    KEYWORD = "keyword"
    ENTRY = "entry"
    ARGUMENT = "argument"
    VALUE = "value"
    NAME = "name"


class Completion(NamedTuple):
    """``insert`` is what is written for it, in the place of ``span``; ``doc`` is Markdown."""

    label: str
    kind: CompletionKind
    detail: str
    span: Span
    insert: str
    doc: str = ""


_QUIET = (TokenKind.COMMENT, TokenKind.DOC, TokenKind.STRING)


def complete(analysis: Analysis, offset: int) -> tuple[Completion, ...]:
    """All completions at ``offset``, those of the place first; none in comments and strings.

    They are not narrowed by what is typed of a word already: editors do that, each in its way.
    """
    before = [token for token in analysis.tokens if token.span.start < offset]
    last = before[-1] if before else None
    if last is not None and _within(last, offset, analysis):
        return ()
    span = Span(offset, offset)
    if last is not None and last.span.end >= offset and _is_word(last):
        span = last.span
        before.pop()
    levels = scan(before).levels
    if before and before[-1].kind is TokenKind.ERROR:
        return ()
    # Stages stand in the order of computation; everything else can be named before it stands.
    anywhere = levels[-1].owner == "call" and levels[-2].words[:1] != ["block"]
    declared = [
        d
        for d in analysis.scan.declarations
        if anywhere or d.keyword not in PORTS or d.span.end < span.start
    ]
    found = _offered(expected(levels), levels, declared)
    return tuple(item._replace(span=span) for item in dict.fromkeys(found))


def _within(token: Token, offset: int, analysis: Analysis) -> bool:
    """Whether the place belongs to a comment, a string or a number, where nothing is offered."""
    if token.kind in (TokenKind.COMMENT, TokenKind.DOC):
        return "\n" not in analysis.source.text[token.span.end : offset]
    open_string = token.kind is TokenKind.ERROR and token.text.startswith('"')
    quiet = token.kind in (TokenKind.STRING, TokenKind.NUMBER) or open_string
    return quiet and (offset < token.span.end or (offset == token.span.end and token.text != '""'))


def _is_word(token: Token) -> bool:
    return token.kind in (TokenKind.NAME, TokenKind.KEYWORD)


def _offered(
    wanted: Expected, levels: list[Level], all_: list[Declaration]
) -> Iterator[Completion]:
    scope = levels[-1].scope
    if wanted.signature is not None:
        stated = _stated(levels[-1])
        for parameter in wanted.signature.parameters:
            if parameter.name not in stated:
                yield _argument(parameter)
    if wanted.parameter is not None:
        yield from _values(wanted.parameter)
    if wanted.table:
        yield from _entries(wanted.table, coupling=wanted.coupling)
    if "outputs" in wanted.names:
        yield _item("out", CompletionKind.NAME, "output")
        for found in outputs(wanted.of, scope, all_):
            yield _item(found.name, CompletionKind.NAME, "output", doc=found.doc)
        return
    if "members" in wanted.names:
        for found in members(wanted.of, all_):
            yield _item(found.name, CompletionKind.NAME, found.keyword, doc=found.doc)
        return
    if "formals" in wanted.names:
        for found in formals(wanted.of, all_):
            yield _item(found.name, CompletionKind.ARGUMENT, "argument", f"{found.name}=")
    if wanted.parameter is not None and wanted.parameter.name == "target":
        for found in visible("targets", scope, all_):
            yield _item(found.name, CompletionKind.NAME, "target", doc=found.doc)
        return
    for kind in wanted.names:
        for found in visible(kind, scope, all_) if kind != "formals" else ():
            yield _item(found.name, CompletionKind.NAME, found.keyword, doc=found.doc)
    for word in wanted.keywords:
        yield _item(word, CompletionKind.KEYWORD, "", doc=KEYWORD_DOCS.get(word, ""))


def _stated(level: Level) -> set[str]:
    """Names that stand before a ``=`` already."""
    pairs = zip(level.tail, level.tail[1:], strict=False)
    return {name.text for name, after in pairs if after.text == "="}


def _item(
    label: str, kind: CompletionKind, detail: str, insert: str = "", doc: str = ""
) -> Completion:
    return Completion(label, kind, detail, Span(0, 0), insert or label, doc)


def _argument(parameter: Parameter) -> Completion:
    doc = describe_parameter(parameter)
    insert = f"{parameter.name}="
    return _item(parameter.name, CompletionKind.ARGUMENT, str(parameter.kind), insert, doc)


def _values(parameter: Parameter) -> Iterator[Completion]:
    words = ("true", "false") if parameter.kind is Kind.BOOL else parameter.choices
    for word in words:
        yield _item(word, CompletionKind.VALUE, parameter.name, doc=parameter.doc)
    if parameter.kind is Kind.CALLS:
        yield _item("[]", CompletionKind.VALUE, f"list of {TABLES[parameter.table].noun}s", "[")


def _entries(table: str, *, coupling: bool) -> Iterator[Completion]:
    for name, signature in TABLES[table].items():
        if coupling and not OPS[name].in_coupling:
            continue
        yield _item(name, CompletionKind.ENTRY, TABLES[table].noun, doc=describe(signature))
