"""The canonical text of a spec, proved on every run to say the same as the one given.

What lays it out is imported when the first text is formatted.
"""

from __future__ import annotations

from typing import Any

from ffebm_dsl.language.diagnostics import FfebmError, SourceFile, Span, SpecError
from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.grammar import VERSION
from ffebm_dsl.language.syntax.parse import parse


class UnfaithfulLayout(FfebmError):
    """The formatter's own result does not say what the text says: a bug in ffebm."""


def format_source(source: SourceFile) -> str:
    """The text of ``source`` in canonical layout, with the version line where it has none.

    A text with faults of meaning is formatted like any other. Comments keep their order
    and their places.

    Raises:
        SpecError: the text has a syntax error.
        UnfaithfulLayout: the result, read again, is not the same program with the same
            comments, or would be formatted otherwise.
    """
    from ffebm_dsl.language.syntax.canonical_layout import layout

    program = parse(source)
    text = layout(program, source.text)
    # The text as it was given is its own proof.
    if text != source.text:
        _verify(program, SourceFile(source.name, text))
    return text


def _verify(program: ast.Program, result: SourceFile) -> None:
    from ffebm_dsl.language.syntax.canonical_layout import layout

    try:
        again = parse(result)
    except SpecError as fault:
        raise _unfaithful(result, "is no spec") from fault
    version = program.version or ast.Version(Span(0, 0), VERSION)
    if not same_but_for_places(program._replace(version=version), again):
        raise _unfaithful(result, "says something else")
    if layout(again, result.text) != result.text:
        raise _unfaithful(result, "would be formatted otherwise")


def _unfaithful(result: SourceFile, why: str) -> UnfaithfulLayout:
    return UnfaithfulLayout(
        f"formatting {result.name} gives a text that {why}; the file is as it was",
        help="this is a bug in ffebm: please report it, with the file",
    )


def same_but_for_places(one: Any, other: Any) -> bool:
    """Whether two programs, or parts of them, are equal but for the spans of their nodes.

    The comments of a program are parts of it: the same ones in the same order.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, Span):
        return True
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same_but_for_places, one, other))
    return bool(one == other)
