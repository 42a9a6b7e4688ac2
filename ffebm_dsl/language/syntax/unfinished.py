"""Texts that are cut off at the cursor: which terminals the parser accepts there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax.acceptance import Stack, acceptance
from ffebm_dsl.language.syntax.ast import Program
from ffebm_dsl.language.syntax.grammar import END
from ffebm_dsl.language.syntax.lexer import Token, code_tokens
from ffebm_dsl.language.syntax.parse import MAX_NESTING, derive
from ffebm_dsl.language.syntax.recover import mend_beginning

_ENDINGS = (
    *(END, "_RPAR", "_RSQB", "_RBRACE", "_LBRACE", "_EQUAL", "_COLON"),
    *("_LSQB", "_LPAR", "NAME", "INT", "_ARROW", "STAR"),
)
"""Tokens that complete a text that is cut off; each time the first that fits is used."""

_MOST_ENDINGS = 4 * MAX_NESTING


class Unfinished(NamedTuple):
    """``accepted`` are the terminals that the parser accepts at the place. ``program`` is the
    text up to it, with a name there, made whole; None where it accepts no name."""

    accepted: frozenset[str]
    program: Program | None


def read_unfinished(tokens: Sequence[Token], place: Span) -> Unfinished:
    """The terminals that are accepted at ``place``, after ``tokens``."""
    accept = acceptance("start")
    kept, stack = mend_beginning(code_tokens(tokens))
    accepted = accept.accepted(stack)
    name = Token("NAME", "_", place, 1, False, 0)
    following = accept.step(stack, name.type)
    if following is None:
        return Unfinished(accepted, None)
    whole = [*kept, name, *_endings(following, place.end)]
    program = derive(whole, "start")
    return Unfinished(accepted, program if isinstance(program, Program) else None)


def _endings(stack: Stack, at: int) -> list[Token]:
    accept = acceptance("start")
    found: list[Token] = []
    while len(found) < _MOST_ENDINGS:
        accepted = accept.accepted(stack)
        kind = next((kind for kind in _ENDINGS if kind in accepted), END)
        found.append(Token(kind, "", Span(at, at), 1, False, 0))
        stepped = accept.step(stack, kind)
        if kind == END or stepped is None:
            break
        stack = stepped
    return found
