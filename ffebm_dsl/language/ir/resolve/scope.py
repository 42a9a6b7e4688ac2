"""Scopes: the values of names at a place of the text."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
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
