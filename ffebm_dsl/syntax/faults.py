"""Lark's exceptions -> diagnostics in words."""

from __future__ import annotations

from collections.abc import Set

from lark import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from ffebm_dsl.diagnostics import Diagnostic, SourceFile, Span
from ffebm_dsl.diagnostics.nearest import nearest
from ffebm_dsl.syntax.terminals import KEYWORDS, RESERVED, expectation

_REMEDIES = {
    ";": "statements need no terminator: remove it",
    "'": 'strings are written with double quotes: "name"',
    "<": "a coupling is written `s1 <-> s2`, a drive `u -> s1`",
    ">": "a coupling is written `s1 <-> s2`, a drive `u -> s1`",
    "|": "ops are chained with `|>`",
    "/": "comments start with `#`",
}

_MAX_ALLOWED = 12
"""A stray character's ``allowed`` is not narrowed by the parser; a longer list is no help."""


def describe_fault(fault: UnexpectedInput, source: SourceFile) -> Diagnostic:
    """The diagnostic of a syntax error: what stands there, and what could."""
    if isinstance(fault, UnexpectedToken):
        if fault.token.type == "$END":
            return _unexpected_end(_accepted(fault), source)
        return _unexpected_token(fault, source)
    if isinstance(fault, UnexpectedCharacters):
        return _unexpected_character(fault, source)
    raise AssertionError(f"a fault that this parser cannot have: {fault!r}")


def _accepted(fault: UnexpectedToken) -> Set[str]:
    """Terminals that could really stand here; ``fault.expected`` holds many that could not."""
    return fault.accepts or fault.expected


def _expected(accepted: Set[str]) -> str:
    words = expectation(accepted)
    return f"expected {words}" if words else ""


def _unexpected_end(accepted: Set[str], source: SourceFile) -> Diagnostic:
    end = len(source.text.rstrip())
    missing = "a `{` is not closed" if "_RBRACE" in accepted else ""
    return Diagnostic(
        "FFE0003",
        "the text ends too early",
        source,
        Span(end, end),
        _expected(accepted),
        notes=(missing,) if missing else (),
    )


def _unexpected_token(fault: UnexpectedToken, source: SourceFile) -> Diagnostic:
    word = str(fault.token)
    start = fault.token.start_pos or 0
    accepted = _accepted(fault)
    return Diagnostic(
        "FFE0001",
        f"unexpected `{word}`",
        source,
        Span(start, start + len(word)),
        _expected(accepted),
        help=_remedy(word, accepted),
    )


def _remedy(word: str, accepted: Set[str]) -> str:
    if word in RESERVED and "NAME" in accepted:
        return f"`{word}` is a word of the language and cannot be a name"
    keywords = [KEYWORDS[terminal] for terminal in accepted if terminal in KEYWORDS]
    close = nearest(word, keywords) if word.isidentifier() else ""
    if close:
        return f"did you mean `{close}`?"
    if {"_ARROW", "_BOTH"} <= accepted:
        return _REMEDIES["<"]
    if word == "ffe":
        return "the version line is the first of a text and stands once"
    if word == ".":
        return "a number has digits on both sides of its point: 0.5"
    return _REMEDIES.get(word, "")


def _unexpected_character(fault: UnexpectedCharacters, source: SourceFile) -> Diagnostic:
    start = fault.pos_in_stream or 0
    char = source.text[start]
    if char == '"':
        end = source.text.find("\n", start)
        end = len(source.text) if end < 0 else end
        return Diagnostic(
            "FFE0004",
            "this string is not closed on its line",
            source,
            Span(start, end),
            help='add `"` where the string ends',
        )
    if char.isdigit():
        return _malformed_number(start, source)
    allowed = set(fault.allowed or ())
    shown = f"`{char}`" if char.isprintable() else f"U+{ord(char):04X}"
    return Diagnostic(
        "FFE0002",
        f"unexpected character {shown}",
        source,
        Span(start, start + 1),
        _expected(allowed) if len(allowed) <= _MAX_ALLOWED else "",
        help=_REMEDIES.get(char, ""),
    )


def _malformed_number(start: int, source: SourceFile) -> Diagnostic:
    end = start
    while end < len(source.text) and (source.text[end].isalnum() or source.text[end] in "._"):
        end += 1
    return Diagnostic(
        "FFE0006",
        f"`{source.text[start:end]}` is not a number",
        source,
        Span(start, end),
        help="numbers are written 3, 0.5 or 1e-4; a name cannot start with a digit",
    )
