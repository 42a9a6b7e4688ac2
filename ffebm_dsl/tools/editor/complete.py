"""Completions at a place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lsprotocol.types import CompletionItemKind

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.registry import OPS, TABLES, Kind, Parameter
from ffebm_dsl.language.registry.card import describe, describe_parameter
from ffebm_dsl.language.syntax import Token, ast, code_tokens
from ffebm_dsl.language.syntax.acceptance import Stack, acceptance
from ffebm_dsl.language.syntax.declarations import Declaration
from ffebm_dsl.language.syntax.grammar import END, KEYWORDS, LATER
from ffebm_dsl.language.syntax.parse import MAX_NESTING, derive, too_deep
from ffebm_dsl.language.syntax.recover import mend_beginning
from ffebm_dsl.tools.editor.analysis import Analysis
from ffebm_dsl.tools.editor.expect import PORTS, Expected, candidates, expected
from ffebm_dsl.tools.editor.hover import KEYWORD_DOCS


class Completion(NamedTuple):
    """``insert`` is what is written for it, in the place of ``span``; ``doc`` is Markdown."""

    label: str
    kind: CompletionItemKind
    detail: str
    span: Span
    insert: str
    doc: str = ""


_STATEMENTS = {**KEYWORDS, **LATER}
"""Terminal -> the keyword that it begins with."""


def complete(analysis: Analysis, offset: int) -> tuple[Completion, ...]:
    """All completions at ``offset``, those of the place first; none in comments and strings.

    They are not narrowed by what is typed of a token already: editors do that, each in its way.
    """
    before = [token for token in analysis.tokens if token.span.start < offset]
    last = before[-1] if before else None
    if last is not None and _is_within(last, offset, analysis):
        return ()
    span = Span(offset, offset)
    if last is not None and last.span.end >= offset and last.kind in ("name", "keyword"):
        span = last.span
        before.pop()
    if (before and before[-1].kind == "error") or too_deep(before):
        return ()
    place = Span(span.start, span.start + 1)
    accepted, program = _read_unfinished(before, place)
    found: list[Completion] = []
    if program is not None:
        wanted = expected(program, place)
        found += _offered(wanted, analysis.declarations, span.start)
        if wanted.table:
            found += _entries(wanted, analysis)
    keywords = (keyword for kind, keyword in _STATEMENTS.items() if kind in accepted)
    found += (_keyword(word) for word in keywords if word not in ("true", "false"))
    return tuple(item._replace(span=span) for item in dict.fromkeys(found))


# Texts that are cut off at the cursor ------------------------------------------------------


_ENDINGS = (
    *(END, "_RPAR", "_RSQB", "_RBRACE", "_LBRACE", "_EQUAL", "_COLON"),
    *("_LSQB", "_LPAR", "NAME", "INT", "_ARROW", "STAR"),
)
"""Tokens that complete a text that is cut off; each time the first that fits is used."""

_MOST_ENDINGS = 4 * MAX_NESTING


def _read_unfinished(
    tokens: Sequence[Token], place: Span
) -> tuple[frozenset[str], ast.Program | None]:
    """The terminals that the parser accepts at ``place``, after ``tokens``, and the text up to it,
    with a name there, made whole; None where it accepts no name."""
    accept = acceptance("start")
    kept, stack = mend_beginning(code_tokens(tokens))
    accepted = accept.accepted(stack)
    name = Token("NAME", "_", place, 1, False, 0)
    following = accept.step(stack, name.type)
    if following is None:
        return accepted, None
    whole = [*kept, name, *_endings(following, place.end)]
    program = derive(whole, "start")
    return accepted, program if isinstance(program, ast.Program) else None


def _endings(stack: Stack, at: int) -> list[Token]:
    accept = acceptance("start")
    found: list[Token] = []
    while len(found) < _MOST_ENDINGS:
        accepted = accept.accepted(stack)
        kind = next((kind for kind in _ENDINGS if kind in accepted), END)
        found.append(Token(kind, "", Span(at, at), 1, False, 0))
        stepped = accept.step(stack, kind)
        if kind == END or stepped is None:
            break
        stack = stepped
    return found


# What is offered ---------------------------------------------------------------------------


def _is_within(token: Token, offset: int, analysis: Analysis) -> bool:
    """Whether the place belongs to a comment, a string or a number, where nothing is offered."""
    if token.type == "COMMENT":
        return "\n" not in analysis.source.text[token.span.end : offset]
    quiet = token.kind in ("string", "number", "use statement") or token.type == "OPEN_STRING"
    return quiet and (offset < token.span.end or (offset == token.span.end and token.text != '""'))


def _offered(wanted: Expected, all_: list[Declaration], place: int) -> Iterator[Completion]:
    if wanted.signature is not None:
        for parameter in wanted.signature.parameters:
            if parameter.name not in wanted.stated:
                yield _argument(parameter)
    if wanted.parameter is not None:
        yield from _values(wanted.parameter)
    if "outputs" in wanted.names:
        yield _item("out", CompletionItemKind.Variable, "output")
    # Stages are in the order of computation; everything else may be named before it is declared.
    declared = [d for d in all_ if wanted.anywhere or d.keyword not in PORTS or d.span.end < place]
    for found in candidates(wanted, declared):
        if "formals" in wanted.names and found.scope[-1:] == (wanted.of,):
            yield _item(found.name, CompletionItemKind.Property, "argument", f"{found.name}=")
        else:
            detail = "output" if found.keyword == "out" else found.keyword
            yield _item(found.name, CompletionItemKind.Variable, detail, doc=found.doc)
    yield from map(_keyword, wanted.words)


def _item(
    label: str, kind: CompletionItemKind, detail: str, insert: str = "", doc: str = ""
) -> Completion:
    return Completion(label, kind, detail, Span(0, 0), insert or label, doc)


def _keyword(word: str) -> Completion:
    return _item(word, CompletionItemKind.Keyword, "", doc=KEYWORD_DOCS.get(word, ""))


def _argument(parameter: Parameter) -> Completion:
    doc = describe_parameter(parameter)
    insert = f"{parameter.name}="
    return _item(parameter.name, CompletionItemKind.Property, str(parameter.kind), insert, doc)


def _values(parameter: Parameter) -> Iterator[Completion]:
    tokens = ("true", "false") if parameter.kind is Kind.BOOL else parameter.choices
    for token in tokens:
        yield _item(token, CompletionItemKind.EnumMember, parameter.name, doc=parameter.doc)
    if parameter.kind is Kind.CALLS:
        yield _item(
            "[]", CompletionItemKind.EnumMember, f"list of {TABLES[parameter.table].noun}s", "["
        )


def _entries(wanted: Expected, analysis: Analysis) -> Iterator[Completion]:
    """The constructs that the text can name: ffebm's own, and those of packages it uses."""
    used = analysis.spec.packages if analysis.spec else ()
    table = TABLES[wanted.table]
    for name, construct in table.visible({package.name for package in used}).items():
        if wanted.coupling and not OPS[name].in_coupling:
            continue
        yield _item(name, CompletionItemKind.Function, table.noun, doc=describe(construct))
