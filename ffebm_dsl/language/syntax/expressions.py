"""Expressions, calls and chains -> documents: one spelling for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.documents import (
    NOTHING,
    SPACE,
    Document,
    Group,
    IfBroken,
    Indent,
    Word,
)


def word(name: ast.Ident, before: str = "", after: str = "") -> Word:
    return Word(f"{before}{name.text}{after}", name.span.start)


def expression(node: ast.Expression, prefix: str = "") -> Document:
    """``node`` with the fewest parentheses; ``prefix`` is written in front of it."""
    start = node.span.start
    match node:
        case ast.Number():
            return Word(prefix + node.text, start)
        case ast.Boolean():
            return Word(prefix + ("true" if node.value else "false"), start)
        case ast.String():
            return Word(f'{prefix}"{node.value}"', start)
        case ast.Reference():
            return reference(node, prefix)
        case ast.Call():
            return call(node, prefix)
        case ast.ListExpression():
            return _bracketed(Word(f"{prefix}[", start), map(expression, node.items), "]", node)
        case ast.Negative():
            return _operand(node.operand, f"{prefix}-", _ATOM, node.span.end)
        case ast.Arithmetic():
            return _arithmetic(node, prefix)


def reference(node: ast.Reference, prefix: str = "") -> Document:
    if node.member is None:
        return word(node.name, prefix)
    return (word(node.name, prefix, "."), word(node.member))


def call(node: ast.Call, prefix: str = "") -> Document:
    """``name(arguments)``, with parentheses where there are no arguments too."""
    opening = word(node.name, prefix, "(")
    return _bracketed(opening, map(_argument, node.arguments), ")", node)


def _argument(node: ast.Argument) -> Document:
    value = expression(node.value)
    return (word(node.name, after="="), value) if node.name else value


def chain(source: Document, ops: Sequence[ast.Call]) -> Document:
    """``source |> op |> op``, broken in front of an op."""
    if not ops:
        return source
    later = tuple((SPACE, call(op, "|> ")) for op in ops)
    return Group((source, Indent(later)))


def _bracketed(
    opening: Word, entries: Iterable[Document], closing: str, node: ast.Node
) -> Document:
    """``opening``, entries with commas, ``closing``."""
    last = Word(closing, node.span.end - 1)
    listed = tuple(entries)
    if not listed:
        return (opening, last)
    inside = (NOTHING, separated(listed), IfBroken(","))
    return Group((opening, Indent(inside), NOTHING, last))


def separated(entries: Sequence[Document]) -> Document:
    """Entries with a comma and a possible line end between two of them."""
    return (entries[0], *((",", SPACE, entry) for entry in entries[1:]))


_SUM, _PRODUCT, _ATOM = range(3)
"""Precedences: how tightly an expression must bind to need no parentheses."""


def _binding(node: ast.Expression) -> int:
    if isinstance(node, ast.Arithmetic):
        return _SUM if node.rest[0][0] in "+-" else _PRODUCT
    return _ATOM


def _arithmetic(node: ast.Arithmetic, prefix: str) -> Document:
    tighter = _binding(node) + 1
    end = node.span.end
    later = tuple(
        (SPACE, _operand(operand, f"{operator} ", tighter, end if i == len(node.rest) else -1))
        for i, (operator, operand) in enumerate(node.rest, start=1)
    )
    return Group((_operand(node.first, prefix, tighter, -1), Indent(later)))


def _operand(node: ast.Expression, prefix: str, needed: int, end: int) -> Document:
    """An operand, in parentheses where it binds too loosely; ``end`` is where the last one
    must be closed, so that a comment in front of its parenthesis stays there."""
    # A minus sign takes no second one: `--1` would be read as 1.
    nested = isinstance(node, ast.Negative) and prefix.endswith("-")
    if _binding(node) >= needed and not nested:
        return expression(node, prefix)
    closing: Document = Word(")", end - 1) if end >= 0 else ")"
    return (expression(node, f"{prefix}("), closing)
