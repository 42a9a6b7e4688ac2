"""Scopes: the values of names at a place of the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax import ast

Number = int | float
Scalar = bool | int | float
MAX_INT = 2**31 - 1
"""Largest whole number of the language: larger sizes are mistakes."""


class Bound(NamedTuple):
    """A name's value; None where its declaration is faulty, which is reported there."""

    value: Scalar | None
    declared: Span
    origin: str
    """Where the value comes from, as a note says it: ``default, line 4``."""


class Packages(NamedTuple):
    """The packages that a text names, and whether all of them can be used.

    If one cannot, an unknown name may be one of its constructs.
    """

    names: frozenset[str] = frozenset()
    complete: bool = True


@dataclass(frozen=True)
class Scope:
    """Values by name, and the packages whose constructs can be named, beside ffebm's own."""

    values: Mapping[str, Bound] = field(default_factory=dict)
    packages: Packages = field(default_factory=Packages)


def facts(expressions: tuple[ast.Expression, ...], scope: Scope) -> tuple[str, ...]:
    """The values of the names in ``expressions``: ``width = 128 (default, line 4)``."""
    found: dict[str, str] = {}
    for expression in expressions:
        for name in _names(expression):
            bound = scope.values.get(name)
            if bound is not None and bound.value is not None:
                found[name] = f"{name} = {show(bound.value)} ({bound.origin})"
    return tuple(found.values())


def show(value: object) -> str:
    """A value as the language writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(show(entry) for entry in value)}]"
    return str(value)


def _names(expression: ast.Expression) -> Iterator[str]:
    match expression:
        case ast.Reference(name=name, member=None):
            yield name.text
        case ast.Negative(operand=operand):
            yield from _names(operand)
        case ast.Arithmetic(first=first, rest=rest):
            for operand in (first, *(operand for _, operand in rest)):
                yield from _names(operand)
        case ast.Call(arguments=arguments):
            for argument in arguments:
                yield from _names(argument.value)
        case ast.ListExpression(items=items):
            for item in items:
                yield from _names(item)
