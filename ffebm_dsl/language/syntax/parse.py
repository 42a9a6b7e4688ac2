"""Text -> AST. What mends faulty texts is imported when the first one is met."""

from __future__ import annotations

import re
from itertools import islice
from typing import cast

from ffebm_dsl.language.diagnostics import Diagnostic, SourceFile, Span, SpecError
from ffebm_dsl.language.syntax.ast import Override, Program
from ffebm_dsl.language.syntax.recovered import Recovered
from ffebm_dsl.language.syntax.scan import scan
from ffebm_dsl.language.syntax.to_ast import to_ast

MAX_NESTING = 32
"""Brackets inside brackets. Deeper texts are refused before the parser sees them."""

MAX_HIDDEN = 20
"""Hidden characters that are reported."""

_HIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069]"
    r"|[\ud800-\udfff]|\r(?!\n)"
)

_STRING_COMMENT_OR_BRACKET = re.compile(r'"[^"\n]*"|#[^\n]*|([\[({])|([\])}])')


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


def parse_override(source: SourceFile) -> Override:
    """The AST of ``key=value`` as ``--set`` gives it. Raises SpecError on a syntax error."""
    override, diagnostics, *_ = _recovered(source, "override")
    if diagnostics:
        raise SpecError(diagnostics)
    return cast(Override, override)


def _recovered(source: SourceFile, start: str) -> Recovered:
    refused = _hidden_characters(source) or _nesting_fault(source)
    if refused:
        return Recovered(None, refused)
    words = scan(source.text)
    program = to_ast(words, start, source)
    if program is not None:
        return Recovered(program)
    from ffebm_dsl.language.syntax.mending import mended

    return mended(words, start, source)


def _hidden_characters(source: SourceFile) -> tuple[Diagnostic, ...]:
    """Characters that are not seen, or turn the direction of writing: a reader of the text, in
    comments too, would see another one than the compiler."""
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


def _nesting_fault(source: SourceFile) -> tuple[Diagnostic, ...]:
    depth = 0
    for match in _STRING_COMMENT_OR_BRACKET.finditer(source.text):
        if match.group(1):
            depth += 1
            if depth > MAX_NESTING:
                deep = Diagnostic(
                    "FFE0005",
                    f"brackets are nested more than {MAX_NESTING} deep",
                    source,
                    Span(match.start(), match.end()),
                    help="give parts of the expression names with `param`",
                )
                return (deep,)
        elif match.group(2):
            depth -= 1
    return ()
