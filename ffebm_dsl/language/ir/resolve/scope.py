"""Scopes: the values of names at a place of the text, and of arithmetic with them."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import add, mul, sub, truediv
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.syntax import ast

Number = int | float
Scalar = bool | int | float
MAX_INT = 2**31 - 1
"""Largest whole number of the language: larger sizes are mistakes."""
LEAST_REAL, MAX_REAL = 1e-30, 1e30
"""Range of the magnitude of reals other than 0: products of a few have room in float32."""


def real(text: str) -> float:
    """``float(text)``; where that is 0 and the text says another number, the least float."""
    value = float(text)
    digits = text.lower().partition("e")[0]
    return value if value or not digits.strip("-0.") else sys.float_info.min


def out_of_range(value: Number) -> tuple[str, str] | None:
    """What is wrong with a number that the language does not have, and the limit; else None."""
    if not abs(value) <= MAX_REAL:
        return "this number is too large", f"numbers go to {MAX_REAL:g}"
    if 0 < abs(value) < LEAST_REAL:
        return "this number is too small", f"write 0, or at least {LEAST_REAL:g}"
    return None


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
    """Values by name, and the packages whose constructs can be named, beside ffebm's own.

    Faults found there go to ``log``.
    """

    log: Log
    values: Mapping[str, Bound] = field(default_factory=dict)
    packages: Packages = field(default_factory=Packages)


def facts(expressions: tuple[ast.Expression, ...], scope: Scope) -> tuple[str, ...]:
    """The values of the names in ``expressions``: ``width = 128 (default, line 4)``."""
    found: dict[str, str] = {}
    for node in ast.walk(expressions):
        if isinstance(node, ast.Reference) and node.member is None:
            bound = scope.values.get(node.name.text)
            if bound is not None and bound.value is not None:
                found[node.name.text] = f"{node} = {show(bound.value)} ({bound.origin})"
    return tuple(found.values())


def show(value: object) -> str:
    """A value as the language writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(show(entry) for entry in value)}]"
    return str(value)


# Arithmetic --------------------------------------------------------------------------------


_MAX_DIGITS = 400
"""No number that Python's floats can hold needs a longer literal."""


def evaluate(expression: ast.Expression, scope: Scope) -> Scalar | None:
    """The value of ``expression``; None where a fault in it was reported, now or earlier.

    ``+ - *`` keep whole numbers whole; ``/`` does where the division is exact.
    """
    match expression:
        case ast.Number():
            return _literal(expression, scope.log)
        case ast.Boolean(value=value):
            return value
        case ast.Reference():
            return _look_up(expression, scope)
        case ast.Negative(operand=operand):
            number = _number(operand, scope)
            return None if number is None else -number
        case ast.Arithmetic():
            return _arithmetic(expression, scope)
        case ast.String():
            found = "a string"
        case ast.ListExpression():
            found = "a list"
        case ast.Call():
            found = f"the call `{expression.name.text}(...)`"
    scope.log.report("FFE1009", f"a number is needed here, not {found}", expression.span)
    return None


def _number(expression: ast.Expression, scope: Scope) -> Number | None:
    value = evaluate(expression, scope)
    if isinstance(value, bool):
        scope.log.report(
            "FFE1009", f"arithmetic needs numbers, and this is {show(value)}", expression.span
        )
        return None
    return value


def _literal(literal: ast.Number, log: Log) -> Number | None:
    text = literal.text
    if len(text) > _MAX_DIGITS:
        return _bounded(math.inf, literal.span, log)
    value = int(text) if text.isdigit() else real(text)
    return _bounded(value, literal.span, log)


def _bounded(value: Number, span: Span, log: Log) -> Number | None:
    trouble = out_of_range(value)
    if isinstance(value, int) and abs(value) > MAX_INT:
        trouble = "this number is too large", f"whole numbers go to {MAX_INT}"
    if trouble is None:
        return value
    message, limit = trouble
    log.report("FFE1012", message, span, notes=(limit,))
    return None


def _look_up(reference: ast.Reference, scope: Scope) -> Scalar | None:
    name = reference.name.text
    bound = scope.values.get(name)
    if bound is not None and reference.member is None:
        scope.log.used.add(bound.declared)
        return bound.value
    message, help = f"no value is called `{reference}`", "declare it: `param name: int = 1`"
    scope.log.report_unknown("FFE1001", message, reference.span, str(reference), scope.values, help)
    return None


def _arithmetic(expression: ast.Arithmetic, scope: Scope) -> Number | None:
    operands = [expression.first, *(operand for _, operand in expression.rest)]
    numbers = [_number(operand, scope) for operand in operands]
    total = numbers[0]
    end = expression.first.span
    for (operator, operand), number in zip(expression.rest, numbers[1:], strict=True):
        end = end.to(operand.span)
        if total is None or number is None:
            return None
        if operator == "/" and number == 0:
            scope.log.report("FFE1012", "division by zero", operand.span)
            return None
        total = _bounded(_apply(operator, total, number), end, scope.log)
    return total


_OPERATORS = {"+": add, "-": sub, "*": mul, "/": truediv}


def _apply(operator: str, a: Number, b: Number) -> Number:
    try:
        if operator == "/" and isinstance(a, int) and isinstance(b, int) and a % b == 0:
            return a // b
        result: Number = _OPERATORS[operator](a, b)
        return result
    except OverflowError:
        return math.inf
