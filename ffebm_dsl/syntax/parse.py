"""Text -> AST. Lark is imported when the first text is parsed, and in this package alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ffebm_dsl.diagnostics import Diagnostic, SourceFile, Span, SpecError
from ffebm_dsl.syntax.ast import Override, Program

if TYPE_CHECKING:
    from lark import Token, Tree

MAX_NESTING = 32
"""Brackets inside brackets. Deeper texts are refused before the parser sees them."""

_STRING_COMMENT_OR_BRACKET = re.compile(r'"[^"\n]*"|#[^\n]*|([\[({])|([\])}])')


def parse(source: SourceFile) -> Program:
    """The AST of a whole spec.

    Raises SpecError with the first syntax error of the text.
    """
    from ffebm_dsl.syntax.to_ast import to_ast

    program: Program = to_ast(_tree(source, "start"), source)
    return program


def parse_override(source: SourceFile) -> Override:
    """The AST of ``key=value`` as ``--set`` gives it. Raises SpecError on a syntax error."""
    from ffebm_dsl.syntax.to_ast import to_ast

    override: Override = to_ast(_tree(source, "override"), source)
    return override


def _tree(source: SourceFile, start: str) -> Tree[Token]:
    from lark import UnexpectedInput

    from ffebm_dsl.syntax.faults import describe_fault
    from ffebm_dsl.syntax.tables import parser

    too_deep = _nesting_fault(source)
    if too_deep:
        raise SpecError([too_deep])
    try:
        return parser().parse(source.text, start=start)
    except UnexpectedInput as fault:
        # Recovery would go here: repair the parser's state and parse on, gathering faults.
        raise SpecError([describe_fault(fault, source)]) from None


def _nesting_fault(source: SourceFile) -> Diagnostic | None:
    depth = 0
    for match in _STRING_COMMENT_OR_BRACKET.finditer(source.text):
        if match.group(1):
            depth += 1
            if depth > MAX_NESTING:
                return Diagnostic(
                    "FFE0005",
                    f"brackets are nested more than {MAX_NESTING} deep",
                    source,
                    Span(match.start(), match.end()),
                    help="give parts of the expression names with `param`",
                )
        elif match.group(2):
            depth -= 1
    return None
