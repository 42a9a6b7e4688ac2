"""AST nodes, with their places, from the rules of the grammar.

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


_DIRECT = (
    *(ast.Hardware, ast.Model, ast.Input, ast.Target, ast.Readout, ast.Train, ast.Template),
    *(ast.Block, ast.Instance, ast.Feedforward, ast.Relax, ast.Gradient, ast.Init, ast.Out),
    *(ast.LayerStatement, ast.DriveStatement, ast.CouplingStatement, ast.TermStatement),
    *(ast.Call, ast.Setting, ast.Formal),
)
"""Nodes whose fields are the children of the rule that has their name."""


# An optional part of two symbols that is left out is two times None.
_MAKERS: Mapping[str, Callable[..., Any]] = {
    **{node.__name__.removesuffix("Statement").lower(): node for node in _DIRECT},
    "start": lambda span, version, *items: ast.Program(span, version, items, ()),
    "version": lambda span, number: ast.Version(span, number.text),
    "use": _use,
    # The names of the key come first; it is the text before the sign that counts.
    "override": lambda span, *parts: ast.Assignment(span, parts[-1]),
    "param": lambda span, name, kind, default, domain, *_: ast.Param(
        span, name, kind, default, domain
    ),
    "energy": lambda span, kind, device, *body: ast.EnergyStatement(span, kind, device, body[-1]),
    "loss": lambda span, *parts: ast.Loss(span, tuple(p for p in parts if type(p) is not Token)),
    "weighted": lambda span, *parts: ast.Weighted(span, parts[0], parts[-1]),
    "entry": lambda span, name, given: ast.Call(span, name, given or ()),
    "argument": lambda span, name, *value: ast.Argument(span, name, value[-1]),
    "port": lambda span, name, member, *_: ast.Reference(span, name, member),
    "name": lambda span, token: ast.Ident(span, token.text),
    "number": lambda span, token: ast.Number(span, token.text),
    "boolean": lambda span, token: ast.Boolean(span, token.type == "TRUE"),
    "string": lambda span, token: ast.String(span, token.text[1:-1]),
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
