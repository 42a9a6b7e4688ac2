"""What the parser makes of each rule of the grammar: the nodes of the AST, with their places.

No checks: what the grammar lets through becomes a node.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.lexer import Token


class _Fragment(NamedTuple):
    """A part of a node that is no node itself: items between brackets, an expression in them.

    ``span`` is None for a part that is made of no token.
    """

    span: Span | None
    value: Any


def _extent(children: Sequence[Any]) -> Span | None:
    spans = [child.span for child in children if child is not None and child.span is not None]
    return Span(spans[0].start, spans[-1].end) if spans else None


def _kept(children: Sequence[Any]) -> list[Any]:
    """The children without the tokens that only hold them together."""
    return [
        child.value if type(child) is _Fragment else child
        for child in children
        if type(child) is not Token or child.type[0] != "_"
    ]


def _node(make: Callable[..., Any], children: Sequence[Any]) -> Any:
    return make(_extent(children) or Span(0, 0), *_kept(children))


def _items(children: Sequence[Any]) -> _Fragment:
    return _Fragment(_extent(children), tuple(_kept(children)))


def _in_parentheses(children: Sequence[Any]) -> _Fragment:
    (inner,) = _kept(children)
    return _Fragment(_extent(children), inner)


def _start(span: Span, version: ast.Version | None, *items: Any) -> ast.Program:
    return ast.Program(span, version, items, ())


def _name(span: Span, token: Token) -> ast.Ident:
    return ast.Ident(span, token.text)


def _number(span: Span, token: Token) -> ast.Number:
    return ast.Number(span, token.text)


def _boolean(span: Span, token: Token) -> ast.Boolean:
    return ast.Boolean(span, token.type == "TRUE")


def _string(span: Span, token: Token) -> ast.String:
    return ast.String(span, token.text[1:-1])


def _version(span: Span, number: Token) -> ast.Version:
    return ast.Version(span, number.text)


def _use(span: Span, token: Token) -> ast.Use:
    """The parts of ``use package >= version``, which is one word."""
    package, version = re.finditer(r"[\w.-]+", token.text[len("use") :])
    start = span.start + len("use")
    return ast.Use(
        span,
        ast.Ident(Span(start + package.start(), start + package.end()), package.group()),
        ast.Ident(Span(start + version.start(), start + version.end()), version.group()),
    )


def _negative(span: Span, *parts: Any) -> Any:
    *signs, operand = parts
    # Two signs cancel, and their place and the parentheses' are still the expression's.
    return ast.Negative(span, operand) if len(signs) % 2 else _Fragment(span, operand)


def _arithmetic(span: Span, first: Any, *rest: Any) -> ast.Arithmetic:
    pairs = zip((operator.text for operator in rest[::2]), rest[1::2], strict=True)
    return ast.Arithmetic(span, first, tuple(pairs))


def _entry(span: Span, name: ast.Ident, given: tuple[ast.Argument, ...] | None) -> ast.Call:
    return ast.Call(span, name, given or ())


def _loss(span: Span, *parts: Any) -> ast.Loss:
    return ast.Loss(span, tuple(part for part in parts if type(part) is not Token))


def _weighted(span: Span, *parts: Any) -> ast.Weighted:
    return ast.Weighted(span, parts[0], parts[-1])


# An optional part of two symbols that is left out is two times None.


def _port(span: Span, name: ast.Ident, member: ast.Ident | None, *_: None) -> ast.Reference:
    return ast.Reference(span, name, member)


def _energy(
    span: Span, kind: ast.Ident, device: ast.Ident | None, *body: Any
) -> ast.EnergyStatement:
    return ast.EnergyStatement(span, kind, device, body[-1])


def _argument(span: Span, name: ast.Ident | None, *value: Any) -> ast.Argument:
    return ast.Argument(span, name, value[-1])


def _param(span: Span, name: Any, type_: Any, default: Any, domain: Any, *_: None) -> ast.Param:
    return ast.Param(span, name, type_, default, domain)


_DIRECT = (
    *(
        ast.DriveStatement,
        ast.CouplingStatement,
        ast.TermStatement,
        ast.Hardware,
        ast.Call,
        ast.Setting,
        ast.Formal,
    ),
    *(ast.Relax, ast.Gradient, ast.Init, ast.Out, ast.LayerStatement, ast.Feedforward),
    *(ast.Block, ast.Input, ast.Target, ast.Readout, ast.Train, ast.Instance, ast.Template),
    ast.Model,
)
"""Nodes whose fields are the children of the rule that has their name."""


def _override(span: Span, *parts: Any) -> ast.Assignment:
    """The names of the key come first; it is the text before the sign that counts."""
    return ast.Assignment(span, parts[-1])


_MAKERS: Mapping[str, Callable[..., Any]] = {
    **{node.__name__.removesuffix("Statement").lower(): node for node in _DIRECT},
    "override": _override,
    "start": _start,
    "name": _name,
    "number": _number,
    "boolean": _boolean,
    "string": _string,
    "version": _version,
    "use": _use,
    "param": _param,
    "entry": _entry,
    "loss": _loss,
    "weighted": _weighted,
    "port": _port,
    "argument": _argument,
    "energy": _energy,
    "list": ast.ListExpression,
    "negative": _negative,
    "arithmetic": _arithmetic,
}

_LISTS = (
    *("arguments", "body", "chain", "energy_body", "formals", "items", "model_body", "ops"),
    *("options", "overrides", "settings"),
)

NODES = SimpleNamespace(
    **{rule: partial(_node, make) for rule, make in _MAKERS.items()},
    **dict.fromkeys(_LISTS, _items),
    atom=_in_parentheses,
    factor=_in_parentheses,
    # A reference is its port.
    reference=lambda children: children[0],
)
"""Rule -> what makes its node of its children: tokens, nodes, parts, or None for what is left
out."""
