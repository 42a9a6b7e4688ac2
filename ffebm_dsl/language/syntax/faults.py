"""Diagnostics of syntax errors.

Many messages are in ``grammar/messages/*.ffe``, each above a snippet that causes it::

    #! message: a layer needs `:` and its shape after its name: `layer s1: [16] tanh`
    model m { block b { energy hopfield { layer s1 [16] tanh } } }

``#! note:`` adds a note. A message is for any token at its place; ``#! only: this word``
narrows it to the kind of token that the snippet has there. The text between one `#! message:`
and the next is the snippet. Numbers of parser states differ between builds, so the map is
made from the snippets, once per parser, when the first syntax error asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Diagnostic, Edit, Fix, Label, SourceFile, Span
from ffebm_dsl.language.diagnostics.fix import insert, nearest
from ffebm_dsl.language.diagnostics.fix import replace as respelt
from ffebm_dsl.language.syntax.acceptance import (
    LOOK_AHEAD,
    Acceptance,
    Situation,
    Stack,
    acceptance,
)
from ffebm_dsl.language.syntax.grammar import END, KEYWORDS, RESERVED, SYMBOLS, english, expectation
from ffebm_dsl.language.syntax.lexer import Token, code_tokens, lex
from ffebm_dsl.language.syntax.recover import Fault
from ffebm_dsl.language.syntax.repairs import LIKELY, RESPELT, Repair

_REMEDIES = {
    ";": "statements need no terminator: remove it",
    "'": 'strings are written with double quotes: "name"',
    "<": "a coupling is written `s1 <-> s2`, a drive `u -> s1`",
    ">": "a coupling is written `s1 <-> s2`, a drive `u -> s1`",
    "|": "ops are chained with `|>`",
    "/": "comments start with `#`",
    ".": "a number has digits on both sides of its point: 0.5",
    "use": "a package is named with its least version, on one line: `use mylab >= 0.2`",
    "ffe": "remove it, or move it to the top",
}

_MAX_EXPECTED = 6
"""A longer list of expected terminals is no help."""


def describe(fault: Fault, tokens: Sequence[Token], source: SourceFile) -> Diagnostic:
    """The diagnostic of a syntax error: what was found, what was expected, and the repair."""
    span = _place(fault, tokens, source)
    diagnostic = (
        _brace(fault, tokens, source, span)
        or _lexical(fault, source)
        or _misplaced(fault, tokens, source, span)
    )
    return replace(diagnostic, fix=_fix(diagnostic.code, fault, tokens, span))


def _place(fault: Fault, tokens: Sequence[Token], source: SourceFile) -> Span:
    """The place of the wrong token; the end of a line where a token is missing there."""
    token, repair = fault.token, fault.repair
    at = tokens.index(token) if repair is None else repair.at
    here, before = tokens[at], tokens[at - 1] if at else None
    inserted = repair.insert if repair is not None and repair.skip == 0 else ""
    if before is None or not (inserted or here.type == END):
        return here.span
    if inserted == "_RBRACE" or (here.type == END and fault.opening is not None):
        return _place_of_brace(fault.opening, before, source)
    if here.type == END or (here.leads and not fault.begins):
        return Span(before.span.end, before.span.end)
    return token.span


def _place_of_brace(opening: Token | None, before: Token, source: SourceFile) -> Span:
    """A missing `}` belongs on the next line, unless its `{` is on the line before."""
    line, _ = source.position(before.span.end)
    if (opening is not None and opening.line == line) or line == source.line_count:
        return Span(before.span.end, before.span.end)
    start = source.text.index("\n", before.span.end) + 1
    indent = min(opening.indent if opening else 0, len(source.line(line + 1)))
    return Span(start + indent, start + indent)


def _lexical(fault: Fault, source: SourceFile) -> Diagnostic | None:
    """The diagnostic of a token that the language does not have."""
    token = fault.token
    match token.type:
        case "OPEN_STRING":
            message, help = "this string is not closed on its line", 'add `"` where the string ends'
            return Diagnostic("FFE0004", message, source, token.span, help=help)
        case "BAD_NUMBER":
            message = f"`{token.text}` is not a number"
            help = "numbers are written 3, 0.5 or 1e-4; a name cannot start with a digit"
            return Diagnostic("FFE0006", message, source, token.span, help=help)
        case "STRAY":
            shown = f"`{token.text}`" if token.text.isprintable() else f"U+{ord(token.text):04X}"
            message, help = f"unexpected character {shown}", _REMEDIES.get(token.text, "")
            known = message_for(fault.situation, "STRAY")
            notes = (known.text,) if known and not help else ()
            return Diagnostic("FFE0002", message, source, token.span, notes=notes, help=help)
    return None


def _brace(
    fault: Fault, tokens: Sequence[Token], source: SourceFile, span: Span
) -> Diagnostic | None:
    repair, opening = fault.repair, fault.opening
    wrong = fault.token if repair is None else tokens[repair.at]
    missing = repair is not None and repair.skip == 0 and repair.insert == "_RBRACE"
    if opening is not None and (missing or (repair is None and fault.token.type == END)):
        label = Label(opening.span, "opened here")
        message = "a `{` is not closed"
        return Diagnostic(
            "FFE0008", message, source, span, "`}` is missing here", (label,), help="add `}`"
        )
    if repair is not None and repair.skip and not repair.insert and wrong.type == "_RBRACE":
        return Diagnostic("FFE0009", "this `}` closes nothing", source, span, help="leave it out")
    return None


def _misplaced(fault: Fault, tokens: Sequence[Token], source: SourceFile, span: Span) -> Diagnostic:
    """A token that is not accepted, or the end of the text."""
    situation = fault.situation
    accepted, token, repair = situation.accepted, fault.token, fault.repair
    if repair is not None and repair.skip and tokens[repair.at] is not token:
        return _earlier(tokens[repair.at], repair, source, span)
    code, message = "FFE0001", f"unexpected `{token.text}`"
    help = _remedy(token, accepted) or _help(repair, token)
    if token.type == END:
        code, message, help = "FFE0003", "the text ends too early", ""
    elif repair is not None and span.start == span.end:
        message = f"{english(repair.insert)} is missing"
    misspelt = repair is not None and repair.skip == 1 and repair.cost == RESPELT
    known = None if misspelt else message_for(situation, token.type)
    if known is None:
        return Diagnostic(code, message, source, span, _expected(accepted), help=help)
    notes = (known.note,) if known.note else ()
    return Diagnostic(code, known.text, source, span, notes=notes, help=help)


def _earlier(changed: Token, repair: Repair, source: SourceFile, span: Span) -> Diagnostic:
    """A token before the one where the fault was noticed."""
    help = _help(repair, changed)
    if changed.text in RESERVED and repair.insert == "NAME":
        help = _reserved(changed)
    return Diagnostic("FFE0001", f"unexpected `{changed.text}`", source, span, help=help)


def _expected(accepted: frozenset[str]) -> str:
    phrase = expectation(accepted)
    return f"expected {phrase}" if phrase and phrase.count(",") < _MAX_EXPECTED else ""


def _reserved(token: Token) -> str:
    return f"`{token.text}` is a word of the language and cannot be a name"


def _remedy(token: Token, accepted: frozenset[str]) -> str:
    if token.text in RESERVED and "NAME" in accepted:
        return _reserved(token)
    keywords = [KEYWORDS[terminal] for terminal in accepted if terminal in KEYWORDS]
    close = nearest(token.text, keywords) if token.text.isidentifier() else ""
    if close:
        return f"did you mean `{close}`?"
    if {"_ARROW", "_BOTH"} <= accepted:
        return "a coupling is written `s1 <-> s2`, a drive `u -> s1`"
    return _REMEDIES.get(token.text, "")


def _help(repair: Repair | None, token: Token) -> str:
    """The repair as a suggestion."""
    if repair is None or repair.cost >= LIKELY:
        return ""
    if not repair.insert:
        return f"leave `{token.text}` out"
    missing = english(repair.insert)
    if repair.skip:
        return f"write {missing} instead of `{token.text}`"
    return f"add {missing}" if missing.startswith("`") else f"{missing} is missing"


_GUESSES = frozenset({"_ARROW", "_BOTH", "TRUE", "FALSE"})
"""Words that recovery may insert although only the author knows which one is meant."""


def _fix(code: str, fault: Fault, tokens: Sequence[Token], span: Span) -> Fix | None:
    """The repair as an edit, if it is the only possible one."""
    repair = fault.repair
    if repair is None or repair.reach < LOOK_AHEAD or repair.cost >= LIKELY:
        return None
    spelling = KEYWORDS.get(repair.insert) or SYMBOLS.get(repair.insert)
    if repair.insert in _GUESSES or (repair.insert and not spelling):
        return None
    if code in ("FFE0004", "FFE0006") and repair.insert:
        # A faulty string or number: only its author knows what it was to be.
        return None
    token = tokens[repair.at]
    if not repair.skip:
        return insert(span.start if span.start == span.end else token.span.start, f"{spelling} ")
    here = token.span
    if spelling:
        return respelt(here, spelling)
    return Fix(f"remove `{token.text}`", (Edit(here, ""),))


ANY = "any"
"""Every kind of token."""

_ENTRY = re.compile(r"^#! message: (?P<message>.+)\n(?P<rest>(?:(?!#! message:).*(?:\n|$))*)", re.M)
_FIELD = re.compile(r"^#! (?P<key>note|only): (?P<value>.+)\n", re.M)


class Message(NamedTuple):
    """A message and the snippet that causes it; ``place`` is ``file.ffe:line``."""

    text: str
    note: str
    snippet: str
    narrow: bool
    place: str


class MessageKey(NamedTuple):
    """Where a message belongs: the parser's place and the kind of token found, or `ANY`."""

    situation: Situation
    kind: str


def read_messages() -> Iterator[Message]:
    """Every entry of the files, in order."""
    folder = files("ffebm_dsl.grammar").joinpath("messages")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".ffe"):
            continue
        text = file.read_text(encoding="utf-8")
        for entry in _ENTRY.finditer(text):
            fields = {m["key"]: m["value"] for m in _FIELD.finditer(entry["rest"])}
            snippet = _FIELD.sub("", entry["rest"])
            place = f"{file.name}:{text.count(chr(10), 0, entry.start()) + 1}"
            yield Message(
                entry["message"], fields.get("note", ""), snippet, "only" in fields, place
            )


def key_of(message: Message, walked: Acceptance) -> MessageKey:
    """Where the parser stops in the snippet of ``message``.

    Raises ValueError where it does not stop.
    """
    tokens = code_tokens(lex(message.snippet))
    stack: Stack = walked.start
    for at in range(len(tokens)):
        kind = walked.kind_of(stack, tokens, at)
        stepped = walked.step(stack, kind)
        if stepped is None:
            return MessageKey(walked.situation(stack), kind if message.narrow else ANY)
        if kind == END:
            break
        stack = stepped
    raise ValueError(f"{message.place}: the snippet has no syntax error")


@lru_cache(maxsize=1)
def message_table() -> Mapping[MessageKey, Message]:
    """Every message by where it belongs."""
    walked = acceptance("start")
    return {key_of(message, walked): message for message in read_messages()}


def message_for(situation: Situation, kind: str) -> Message | None:
    """The message for a token of this kind at this place, if there is one."""
    table = message_table()
    return table.get(MessageKey(situation, kind)) or table.get(MessageKey(situation, ANY))
