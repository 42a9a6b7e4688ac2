"""Text -> AST. Error recovery is imported at the first faulty text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, cast

from ffebm_dsl.language.diagnostics import Diagnostic, SourceFile, Span, SpecError
from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.ast import Assignment, Comment, Program
from ffebm_dsl.language.syntax.lexer import Token, code_tokens, lex

MAX_NESTING = 32
"""Brackets inside brackets. Deeper texts are refused before the parser sees them."""

MAX_HIDDEN = 20
"""Hidden characters that are reported."""

_HIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069]"
    r"|[\ud800-\udfff]|\r(?!\n)"
)

_OPENING, _CLOSING = ("_LPAR", "_LSQB", "_LBRACE"), ("_RPAR", "_RSQB", "_RBRACE")


class Recovered(NamedTuple):
    """The parse of a text, and every syntax error in it.

    ``program`` is the AST of the text without its faulty parts, with what they lack put in;
    None if recovery gave up. ``damaged`` are the places that recovery changed or left out.
    If ``names_lost``, a name may have been declared there that the program does not declare.
    """

    program: Program | None
    diagnostics: tuple[Diagnostic, ...] = ()
    damaged: tuple[Span, ...] = ()
    names_lost: bool = False


def parse(source: SourceFile) -> Program:
    """The AST of a whole spec.

    Raises SpecError with every syntax error of the text.
    """
    program, diagnostics, *_ = parse_with_recovery(source)
    if diagnostics or program is None:
        raise SpecError(diagnostics)
    return program


def parse_with_recovery(source: SourceFile) -> Recovered:
    """As much of a whole spec as can be understood; raises nothing."""
    return _recovered(source, "start")


def parse_override(source: SourceFile) -> Assignment:
    """The AST of ``key=value`` as ``--set`` gives it. Raises SpecError on a syntax error."""
    override, diagnostics, *_ = _recovered(source, "override")
    if diagnostics:
        raise SpecError(diagnostics)
    return cast(Assignment, override)


def _recovered(source: SourceFile, start: str) -> Recovered:
    refused = _hidden_characters(source)
    if refused:
        return Recovered(None, refused)
    tokens = lex(source.text)
    refused = _nesting_fault(tokens, source)
    if refused:
        return Recovered(None, refused)
    code = code_tokens(tokens)
    found = derive(code, start)
    if found is not None:
        return Recovered(_with_comments(found, tokens, code, source))
    from ffebm_dsl.language.syntax.faults import describe
    from ffebm_dsl.language.syntax.recover import Recovery

    mended = Recovery(code, start)
    mended.run()
    diagnostics = tuple(describe(fault, code, source) for fault in mended.faults)
    if not diagnostics:
        raise AssertionError("the parser refuses a text in which recovery finds no fault")
    if not mended.complete:
        return Recovered(None, diagnostics)
    program = _with_comments(derive(mended.kept, start), tokens, mended.kept, source)
    damaged = tuple(token.span for token in mended.touched)
    return Recovered(program, diagnostics, damaged, mended.names_lost)


def derive(tokens: Sequence[Token], start: str) -> Any:
    """The node of the start rule, made of all ``tokens``, of which the end is the last.

    None where they do not follow the grammar.
    """
    from lark import UnexpectedToken

    from ffebm_dsl.language.syntax.acceptance import as_accepted
    from ffebm_dsl.language.syntax.grammar import parser

    reading = parser().parse_interactive("", start=start)
    node = None
    try:
        for token in tokens:
            # Lark asks a token for its type, and keeps it for the nodes.
            choices = reading.choices()  # type: ignore[no-untyped-call]
            node = reading.feed_token(as_accepted(token, choices))  # type: ignore[arg-type]
    except UnexpectedToken:
        return None
    return node


def _with_comments(
    node: Any, tokens: Sequence[Token], code: Sequence[Token], source: SourceFile
) -> Any:
    """A program with its comments, and what they document; an override as it is."""
    if not isinstance(node, Program):
        return node
    comments = tuple(
        Comment(w.span, w.text, w.text.startswith("##")) for w in tokens if w.type == "COMMENT"
    )
    program = node._replace(span=Span(0, len(source.text)), comments=comments)
    return _with_docs(program, tokens, code)


# Doc comments ------------------------------------------------------------------------------

_HEADING = -1
"""Key of the doc comments of the whole text."""


class _Declaration(NamedTuple):
    """Offsets of the start of a declaration, the end of its head, and its end."""

    start: int
    head: int
    end: int


def _with_docs(program: Program, tokens: Sequence[Token], code: Sequence[Token]) -> Program:
    """``program``, made of ``code``, with its doc comments in the ``doc`` of its nodes.

    ``tokens`` are all those of the text, comments too.

    A comment on a line of its own belongs to the declaration that follows it; one at the end of a
    line, or inside a declaration, to that declaration. Of a declaration with braces, only the head
    counts, up to its `{`, and its `}`: a comment in between belongs to the statements there. Each
    token keeps its comments when a text is formatted, so no layout changes what a comment
    documents.
    """
    if not any(comment.is_doc for comment in program.comments):
        return program
    braces = [token.span.end for token in code if token.type == "_LBRACE"]
    declared = [*_declarations(program, braces)]
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


def _declarations(program: Program, braces: Sequence[int]) -> Iterator[_Declaration]:
    """In the order of the text; ``braces`` are the ends of all `{`."""
    for node in ast.walk(program.items):
        if hasattr(node, "doc"):
            start, end = node.span.start, node.span.end
            brace = bisect_right(braces, start)
            head = min(braces[brace], end) if brace < len(braces) else end
            yield _Declaration(start, head, end)


def _documented(node: Any, docs: dict[int, str]) -> Any:
    """A statement, and those in it, with their doc comments."""
    changes: dict[str, Any] = {}
    if "statements" in node._fields:
        changes["statements"] = tuple(_documented(inner, docs) for inner in node.statements)
    if "doc" in node._fields:
        changes["doc"] = docs.get(node.span.start, "")
    return node._replace(**changes) if changes else node


# Texts that are refused --------------------------------------------------------------------


def _hidden_characters(source: SourceFile) -> tuple[Diagnostic, ...]:
    """Report characters that are invisible or change the direction of writing, in comments too:
    a reader would see another text than the compiler."""
    found = islice(_HIDDEN.finditer(source.text), MAX_HIDDEN)
    return tuple(
        Diagnostic(
            "FFE0002",
            f"unexpected character U+{ord(match.group()):04X}",
            source,
            Span(match.start(), match.end()),
            help="remove it: it is not seen, or changes how the text around it is seen",
        )
        for match in found
    )


def too_deep(tokens: Sequence[Token]) -> Token | None:
    """The first bracket that is nested too deep."""
    depth = 0
    for token in tokens:
        depth += (token.type in _OPENING) - (token.type in _CLOSING)
        if depth > MAX_NESTING:
            return token
    return None


def _nesting_fault(tokens: Sequence[Token], source: SourceFile) -> tuple[Diagnostic, ...]:
    deep = too_deep(tokens)
    if deep is None:
        return ()
    message = f"brackets are nested more than {MAX_NESTING} deep"
    help = "give parts of the expression names with `param`"
    return (Diagnostic("FFE0005", message, source, deep.span, help=help),)
