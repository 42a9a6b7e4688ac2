"""Repairs: the smallest change of a text after which the parser can continue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ffebm_dsl.language.diagnostics.fix import nearest
from ffebm_dsl.language.syntax.acceptance import ENOUGH, LOOK_AHEAD, Acceptance, Stack
from ffebm_dsl.language.syntax.grammar import END, KEYWORDS, LATER, SYMBOLS
from ffebm_dsl.language.syntax.lexer import Token

UNDONE = 2
"""Words before a fault that a repair may change."""

_CLOSERS = frozenset({"_RPAR", "_RSQB", "_RBRACE", "_COLON", "_EQUAL", "_LBRACE"})
_BEGINNERS = frozenset(KEYWORDS) - {"_IN", "TRUE", "FALSE"}
"""Keywords that begin a statement."""

_RARE = frozenset({"PLUS", "MINUS", "STAR", "SLASH", "_DOT"})
"""Symbols that are seldom what is missing."""

_CONFUSED = {
    "-": "_ARROW _BOTH",
    "<": "_BOTH _ARROW",
    ">": "_ARROW _BOTH _PIPE",
    "=": "_COLON",
    ":": "_EQUAL",
    ";": "_COMMA _COLON",
    ",": "_DOT _COLON",
    ".": "_COMMA",
    "|": "_PIPE",
    "->": "_BOTH _PIPE",
    "<->": "_ARROW",
    "(": "_LSQB _LBRACE",
    "[": "_LPAR _LBRACE",
    "{": "_LPAR _LSQB",
    ")": "_RSQB _RBRACE",
    "]": "_RPAR _RBRACE",
    "}": "_RPAR _RSQB",
}
"""Symbols that are written for one another."""


# The cost of a repair: the lower it is, the more likely the author meant it. Half a unit weighs as
# much as one more token that fits after the repair.
RESPELT = 0.0
"""A misspelt keyword."""

_MIX_UP = 0.5
"""A symbol written for another, a token too many, a closing symbol missing at the end of a line."""

_UNREADABLE = 0.75
"""A token that the language does not have, read as another."""

_SYMBOL = 1.0
"""A symbol inserted."""

_ORDINARY = 1.25
"""A name or value inserted, or any token left out."""

_STATEMENT = 1.5
"""The keyword of a statement inserted."""

LIKELY = 1.75
"""A repair that costs this much or more helps the parser, but is not suggested to the user."""

_LAST_RESORT = 2.0
"""Any token for any other; a token left out at the start of a line."""

_EARLIER = 0.25
"""Added for each token between the repair and the place where the fault was noticed."""


class Repair(NamedTuple):
    """Leave out ``skip`` tokens of the text from token ``at`` on, and insert one of the kind
    ``insert`` there (none if it is empty).

    ``reach`` is how many tokens fit after it, at most :data:`LOOK_AHEAD`.
    """

    at: int
    skip: int
    insert: str
    cost: float
    reach: int = 0


def find_repair(
    acceptance: Acceptance, stacks: Sequence[Stack], tokens: Sequence[Token], at: int
) -> Repair | None:
    """The repair after which most of the next tokens fit; None where none explains enough.

    ``tokens[at]`` is not accepted, or a token before it is wrong: ``stacks[i]``
    is the parser's before the token ``at - i``.
    """
    tried = [
        repair._replace(reach=reach)
        for back, stack in enumerate(stacks)
        for repair in _candidates(acceptance, stack, tokens, at - back, at)
        if _justified(repair, tokens, at, reach := _reach(acceptance, stack, tokens, repair, at))
    ]
    return max(tried, key=lambda repair: repair.reach - 2 * repair.cost, default=None)


def _justified(repair: Repair, tokens: Sequence[Token], at: int, reach: int) -> bool:
    """Whether a repair is worth making: what it leaves out is never accepted, it is a
    keyword misspelt, or enough fits after it."""
    sure = not repair.insert and tokens[repair.at].type == "STRAY"
    return sure or (repair.cost == RESPELT and reach > 0) or explains(tokens, at, reach)


def explains(tokens: Sequence[Token], at: int, reach: int) -> bool:
    """Whether it is enough that ``reach`` tokens from ``at`` on fit: three, or fewer with the
    first of a statement among them."""
    return reach >= ENOUGH or any(
        token.leads and token.type in KEYWORDS for token in tokens[at : at + reach]
    )


def _reach(
    acceptance: Acceptance, stack: Stack, tokens: Sequence[Token], repair: Repair, at: int
) -> int:
    """Words from ``at`` on that fit after the repair."""
    changed = acceptance.step(stack, repair.insert) if repair.insert else stack
    if changed is None:
        return 0
    start = repair.at + repair.skip
    passed = max(at - start, 0)
    return min(acceptance.reach(changed, tokens, start, LOOK_AHEAD + passed) - passed, LOOK_AHEAD)


def _candidates(
    acceptance: Acceptance, stack: Stack, tokens: Sequence[Token], place: int, at: int
) -> Iterator[Repair]:
    """Possible repairs at ``place`` of a fault that was noticed at ``at``."""
    token = tokens[place]
    later = _EARLIER * (at - place)
    accepted = sorted(acceptance.accepted(stack) - {END, *LATER})
    between_lines = token.leads and not acceptance.may_end(stack)
    for kind in accepted:
        if kind not in _BEGINNERS or token.leads:
            yield Repair(place, 0, kind, _cost_of_insert(kind, token, between_lines) + later)
    earlier_is_right = place < at and (tokens[at].leads or token.type not in SYMBOLS)
    if token.type == END or (earlier_is_right and token.text != tokens[place - 1].text):
        return
    for kind in accepted:
        cost = _cost_of_respelling(token, kind, accepted)
        if cost is not None:
            yield Repair(place, 1, kind, cost + later)
    yield Repair(place, 1, "", _cost_of_leaving_out(tokens, place) + later)


def _cost_of_insert(kind: str, token: Token, between_lines: bool) -> float:
    if kind in _BEGINNERS:
        return _STATEMENT
    if kind in _RARE:
        return LIKELY
    if kind in SYMBOLS or kind == "_IN":
        return _MIX_UP if token.leads and kind in _CLOSERS else _SYMBOL
    return _SYMBOL if between_lines else _ORDINARY


def _cost_of_respelling(token: Token, kind: str, accepted: Sequence[str]) -> float | None:
    """None for what is never written for the other."""
    if kind in KEYWORDS:
        known = [KEYWORDS[other] for other in accepted if other in KEYWORDS]
        if token.text.isidentifier() and nearest(token.text, known) == KEYWORDS[kind]:
            return RESPELT
        return _LAST_RESORT if token.leads else None
    if kind in _CONFUSED.get(token.text, "").split():
        return _MIX_UP
    if token.type in ("BAD_NUMBER", "OPEN_STRING", "STRAY"):
        return _UNREADABLE
    return _LAST_RESORT


def _cost_of_leaving_out(tokens: Sequence[Token], at: int) -> float:
    token = tokens[at]
    if token.type == "STRAY" or (at and tokens[at - 1].text == token.text):
        return _MIX_UP
    return _LAST_RESORT if token.leads else _ORDINARY
