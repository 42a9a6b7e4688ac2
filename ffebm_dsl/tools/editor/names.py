"""Where a name is declared, and what a text holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.declarations import DECLARING, Declaration
from ffebm_dsl.tools.editor.analysis import Analysis
from ffebm_dsl.tools.editor.expect import candidates, expected


class Symbol(NamedTuple):
    """A declaration with those inside it. ``detail`` is the keyword that declares it."""

    name: str
    detail: str
    span: Span
    whole: Span
    children: tuple[Symbol, ...]


def declaration_at(analysis: Analysis, offset: int) -> Declaration | None:
    """The declaration of the name at ``offset``; None where there is none, or no name."""
    token = analysis.token_at(offset)
    if token is None or token.type != "NAME" or analysis.program is None:
        return None
    for found in analysis.declarations:
        if found.span == token.span:
            return found
    wanted = expected(analysis.program, token.span)
    named = (d for d in candidates(wanted, analysis.declarations) if d.name == token.text)
    return next(named, None)


def definition(analysis: Analysis, offset: int) -> Span | None:
    """Where the name at ``offset`` is declared."""
    found = declaration_at(analysis, offset)
    return found.span if found else None


def symbols(analysis: Analysis) -> tuple[Symbol, ...]:
    """What the text declares, nested as it is written; a template's arguments are left out."""
    return tuple(_symbols(analysis.program.items)) if analysis.program else ()


def _symbols(statements: tuple[Any, ...]) -> Iterator[Symbol]:
    for node in statements:
        inner = tuple(_symbols(getattr(node, "statements", ())))
        keyword, name = DECLARING.get(type(node), ""), getattr(node, "name", None)
        if isinstance(node, ast.Use):
            keyword, name = "use", node.package
        if isinstance(node, ast.Instance):
            keyword = f"block = {node.template.name.text}"
        if keyword and name is not None:
            yield Symbol(name.text, keyword, name.span, node.span, inner)
        else:
            yield from inner
