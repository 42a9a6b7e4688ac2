"""Checks that a text could state an IR that was edited, made by hand, or read from a file.

An IR is right if its own text compiles to it: the same names and shapes, and the same
arguments, defaults filled in. So the compiler alone says what a network can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ffebm_dsl.language.diagnostics import InputError, Severity, SourceFile, SpecError
from ffebm_dsl.language.ir.check.budget import Budget
from ffebm_dsl.language.ir.lower import is_lowered
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.ir.passes import compile_text
from ffebm_dsl.language.ir.tools.dump import to_json_dict
from ffebm_dsl.language.ir.tools.statement_text import statements


class Contradiction(Exception):
    """An IR that no text states; ``pointer`` (RFC 6901) is the part that is wrong."""

    def __init__(self, pointer: str, message: str, help: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer
        self.message = message
        self.help = help


def require_consistent(spec: SpecIR) -> None:
    """Raise if the IR contradicts itself or names what there is not.

    Raises:
        InputError: with the place, such as ``/model/stages/1/couplings/0/ops/0/out_shape``.
    """
    if is_lowered(spec):
        return
    try:
        restate(spec)
    except Contradiction as wrong:
        message = f"this network contradicts itself at `{wrong.pointer}`: {wrong.message}"
        raise InputError(message, help=wrong.help) from None


def restate(spec: SpecIR, budget: Budget | None = None) -> None:
    """Write ``spec`` as text and compile that to the same again, but for the values of params.

    Raises:
        Contradiction: it does not compile, or to something else.
    """
    stated = list(statements(spec))
    source = SourceFile("spec", "\n".join(statement.text for statement in stated))
    try:
        found = compile_text(source, {}, budget).spec
    except SpecError as error:
        first = next(d for d in error.diagnostics if d.severity is Severity.ERROR)
        line, _ = source.position(first.span.start)
        at = stated[min(line, len(stated)) - 1].pointer
        raise Contradiction(at, first.message, first.help) from None
    for pointer, follows in differences(plain(found), plain(spec), ""):
        message = f"this does not follow from the rest, which gives {follows}"
        raise Contradiction(pointer, message)


def plain(spec: SpecIR) -> dict[str, Any]:
    """A spec as plain data, without the values of params, which are resolved away, and without
    the versions of packages that were found."""
    data = to_json_dict(spec)
    del data["parameters"]
    for package in data.get("packages", ()):
        del package["version"]
    return data


def pointer_to(parent: str, key: str | int) -> str:
    """The JSON pointer of an entry of what ``parent`` points to."""
    return f"{parent}/{str(key).replace('~', '~0').replace('/', '~1')}"


def differences(found: Any, stated: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    """Where two plain values differ: the pointer, and what is ``found`` there.

    A pair of equal numbers, for rows and columns, is one number, as in a text.
    """
    if isinstance(found, dict) and isinstance(stated, dict) and found.keys() == stated.keys():
        for key in found:
            yield from differences(found[key], stated[key], pointer_to(pointer, key))
    elif isinstance(found, list) and isinstance(stated, list) and len(found) == len(stated):
        for i, (one, other) in enumerate(zip(found, stated, strict=True)):
            yield from differences(one, other, pointer_to(pointer, i))
    elif found != stated and stated != [found, found]:
        yield pointer, found
