"""Statements and expressions -> documents: one spelling for each.

A statement of one line has cells, which are aligned with those of neighbouring lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.documents import (
    NOTHING,
    SPACE,
    Document,
    Fitted,
    IfBroken,
    Indent,
    LineEnd,
    Word,
    flat,
    last_at,
)
from ffebm_dsl.language.syntax.writer import CommentedText


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
    return Fitted((source, Indent(later)))


def _bracketed(
    opening: Word, entries: Iterable[Document], closing: str, node: ast.Node
) -> Document:
    """``opening``, entries with commas, ``closing``."""
    last = Word(closing, node.span.end - 1)
    listed = tuple(entries)
    if not listed:
        return (opening, last)
    inside = (NOTHING, separated(listed), IfBroken(","))
    return Fitted((opening, Indent(inside), NOTHING, last))


def separated(entries: Sequence[Document]) -> Document:
    """Entries with a comma and a possible line end between two of them."""
    return (entries[0], *((",", SPACE, entry) for entry in entries[1:]))


def factor(node: ast.Expression, prefix: str = "") -> Document:
    """A factor: ``node``, in parentheses unless it is a number or a name."""
    if isinstance(node, ast.Number | ast.Reference):
        return expression(node, prefix)
    return (expression(node, f"{prefix}("), ")")


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
    return Fitted((_operand(node.first, prefix, tighter, -1), Indent(later)))


def _operand(node: ast.Expression, prefix: str, needed: int, end: int) -> Document:
    """An operand, in parentheses where it binds too loosely; ``end`` is where the last one
    must be closed, so that a comment in front of its parenthesis stays there."""
    # A minus sign takes no second one: `--1` would be read as 1.
    nested = isinstance(node, ast.Negative) and prefix.endswith("-")
    if _binding(node) >= needed and not nested:
        return expression(node, prefix)
    closing: Document = Word(")", end - 1) if end >= 0 else ")"
    return (expression(node, f"{prefix}("), closing)


class AlignedRow(NamedTuple):
    """A statement of one line. Neighbours with the same ``kind`` have their cells aligned."""

    kind: str
    cells: tuple[Document, ...]


def row_of(statement: Any, source: CommentedText) -> AlignedRow | None:
    """The cells of a statement that needs no lines of its own; None for one with a body."""
    make = _ROWS.get(type(statement))
    return make(statement, source) if make else None


def aligned(row: AlignedRow, columns: Sequence[int]) -> Document:
    """A row with its cells padded to the widths of their columns."""
    padded: list[Document] = []
    for i, cell in enumerate(row.cells[:-1]):
        missing = columns[i] - len(flat(cell)) if columns else 0
        padded += (cell, " " * (missing + 1))
    return (*padded, row.cells[-1])


def _keyword(text: str, node: ast.Node) -> Word:
    return Word(text, node.span.start)


def _end(kind: str, node: ast.Input | ast.Target) -> AlignedRow:
    return AlignedRow("end", (_keyword(kind, node), word(node.name, after=":"), call(node.kind)))


def _map(kind: str, node: ast.Feedforward | ast.Readout) -> AlignedRow:
    value = chain(reference(node.source, "= "), node.ops)
    return AlignedRow(kind, ((_keyword(f"{kind} ", node), word(node.name)), value))


def _called(kind: str, node: ast.Node, called: ast.Call) -> AlignedRow:
    return AlignedRow(kind, ((_keyword(f"{kind} ", node), call(called)),))


def _use(node: ast.Use) -> AlignedRow:
    return AlignedRow("use", (_keyword(f"use {node.package.text} >= {node.version.text}", node),))


def _param(node: ast.Param, source: CommentedText) -> AlignedRow:
    value = expression(node.default, "= ")
    if node.domain is not None:
        value = (value, " ", expression(node.domain, "in "))
    elif source.comments_in(Span(last_at(value), node.span.end)):
        # A comment in front of a closing parenthesis: without it, a doc comment would
        # come to belong to the next declaration.
        value = (expression(node.default, "= ("), Word(")", node.span.end - 1))
    head = (_keyword("param ", node), word(node.name, after=":"))
    return AlignedRow("param", (head, word(node.type), value))


def _loss(node: ast.Loss) -> AlignedRow:
    first, *others = node.terms
    later = tuple((SPACE, _weighted(term, "+ ")) for term in others)
    terms = Fitted((_weighted(first, "= "), Indent(later))) if later else _weighted(first, "= ")
    return AlignedRow("loss", ((_keyword("loss ", node), terms),))


def _weighted(node: ast.Weighted, prefix: str) -> Document:
    if node.weight is None:
        return call(node.loss, prefix)
    return (factor(node.weight, prefix), " * ", call(node.loss))


def _relax(node: ast.Relax, source: CommentedText) -> AlignedRow:
    head = (_keyword("relax ", node), word(node.phase))
    return AlignedRow("relax", (head, _settings(node, node.phase.span.end, source)))


def _settings(
    node: ast.Relax | ast.DriveStatement | ast.CouplingStatement, behind: int, source: CommentedText
) -> Document:
    """The settings that end ``node``, between braces that open after ``behind``."""
    opening = Word("{", source.find("{", behind))
    closing = Word("}", node.span.end - 1)
    if not node.settings:
        return (opening, closing)
    widest = max(len(setting.name.text) for setting in node.settings)
    first, *others = (_padded(setting, widest) for setting in node.settings)
    # Two spaces where they share a line: there is no comma to tell them apart.
    later = tuple((LineEnd("  "), setting) for setting in others)
    return Fitted((opening, Indent((SPACE, first, later)), SPACE, closing), filled=False)


def _padded(node: ast.Setting, widest: int) -> Document:
    """A setting between braces; where it has a line of its own, in columns."""
    space = IfBroken(" " * (widest - len(node.name.text)))
    return (word(node.name), space, expression(node.value, " = "))


def _instance(node: ast.Instance, source: CommentedText) -> AlignedRow | None:
    if node.overrides or source.comments_in(Span(node.template.span.end - 1, node.span.end)):
        return None
    return AlignedRow("instance", (head_of_instance(node),))


def head_of_instance(node: ast.Instance) -> Document:
    return (_keyword("block ", node), word(node.name), call(node.template, " = "))


def _out(node: ast.Out) -> AlignedRow:
    keyword = _keyword("out", node)
    head = (keyword, word(node.name, " ")) if node.name else keyword
    return AlignedRow("out", (head, word(node.layer, "= ")))


def _layer(node: ast.LayerStatement, source: CommentedText) -> AlignedRow:
    act = node.activation
    bare = not act.arguments and not source.comments_in(act.span)
    head = (_keyword("layer ", node), word(node.name, after=":"))
    return AlignedRow(
        "layer", (head, expression(node.shape), word(act.name) if bare else call(act))
    )


def _ends(
    arrow: str, node: ast.DriveStatement | ast.CouplingStatement, source: CommentedText
) -> AlignedRow:
    cells: tuple[Document, ...] = (reference(node.source), arrow, reference(node.target))
    behind = node.target.span.end
    if node.ops:
        cells = (*cells, chain(call(node.ops[0], ": "), node.ops[1:]))
        behind = node.ops[-1].span.end
    # Braces without a setting go, unless they hold a comment.
    if node.settings or source.comments_in(Span(behind, node.span.end)):
        cells = (*cells, _settings(node, behind, source))
    return AlignedRow("ends", cells)


_ROWS: Mapping[type, Callable[[Any, CommentedText], AlignedRow | None]] = {
    ast.Use: lambda node, _: _use(node),
    ast.Param: _param,
    ast.Input: lambda node, _: _end("input", node),
    ast.Target: lambda node, _: _end("target", node),
    ast.Feedforward: lambda node, _: _map("feedforward", node),
    ast.Readout: lambda node, _: _map("readout", node),
    ast.Loss: lambda node, _: _loss(node),
    ast.Relax: _relax,
    ast.Setting: lambda n, _: AlignedRow("setting", (word(n.name), expression(n.value, "= "))),
    ast.Instance: _instance,
    ast.Gradient: lambda node, _: _called("gradient", node, node.estimator),
    ast.Init: lambda node, _: _called("init", node, node.initialiser),
    ast.Out: lambda node, _: _out(node),
    ast.LayerStatement: _layer,
    ast.DriveStatement: partial(_ends, "->"),
    ast.CouplingStatement: partial(_ends, "<->"),
    ast.TermStatement: lambda n, _: AlignedRow("term", (reference(n.layer), call(n.call, ": "))),
}
