"""The smallest change of a text that lets the parser go on from a fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ffebm_dsl.language.diagnostics.nearest import nearest
from ffebm_dsl.language.syntax.acceptance import ENOUGH, LOOK_AHEAD, Acceptance, Stack
from ffebm_dsl.language.syntax.grammar import END, KEYWORDS, SYMBOLS
from ffebm_dsl.language.syntax.lexer import Word

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


LIKELY = 1.75
"""A repair that costs as much or more helps the parser, and is no advice."""


class Repair(NamedTuple):
    """Leave out ``skip`` words of the text from word ``at`` on, and put one of the kind
    ``insert`` there (none where it is empty).

    ``reach`` is how many words fit after it, at most :data:`LOOK_AHEAD`.
    """

    at: int
    skip: int
    insert: str
    cost: float
    reach: int = 0


def find_repair(
    acceptance: Acceptance, stacks: Sequence[Stack], words: Sequence[Word], at: int
) -> Repair | None:
    """The repair after which most of the next words fit; None where none explains enough.

    ``words[at]`` cannot stand where it stands, or a word before it is wrong: ``stacks[i]``
    is the parser's before the word ``at - i``.
    """
    tried = [
        repair._replace(reach=reach)
        for back, stack in enumerate(stacks)
        for repair in _candidates(acceptance, stack, words, at - back, at)
        if _justified(repair, words, at, reach := _reach(acceptance, stack, words, repair, at))
    ]
    return max(tried, key=lambda repair: repair.reach - 2 * repair.cost, default=None)


def _justified(repair: Repair, words: Sequence[Word], at: int, reach: int) -> bool:
    """Whether a repair is worth making: what it leaves out can stand nowhere, it is a
    keyword misspelt, or enough fits after it."""
    sure = not repair.insert and words[repair.at].type == "STRAY"
    return sure or (repair.cost == 0.0 and reach > 0) or explains(words, at, reach)


def explains(words: Sequence[Word], at: int, reach: int) -> bool:
    """Whether it is enough that ``reach`` words from ``at`` on fit: three, or fewer with the
    first of a statement among them."""
    return reach >= ENOUGH or any(
        word.leads and word.type in KEYWORDS for word in words[at : at + reach]
    )


def _reach(
    acceptance: Acceptance, stack: Stack, words: Sequence[Word], repair: Repair, at: int
) -> int:
    """Words from ``at`` on that fit after the repair."""
    changed = acceptance.step(stack, repair.insert) if repair.insert else stack
    if changed is None:
        return 0
    start = repair.at + repair.skip
    passed = max(at - start, 0)
    return min(acceptance.reach(changed, words, start, LOOK_AHEAD + passed) - passed, LOOK_AHEAD)


def _candidates(
    acceptance: Acceptance, stack: Stack, words: Sequence[Word], place: int, at: int
) -> Iterator[Repair]:
    """What could be done at ``place``, where the fault was noticed at ``at``."""
    word = words[place]
    later = 0.25 * (at - place)
    accepted = sorted(acceptance.accepted(stack) - {END, "REQUIREMENT"})
    between_lines = word.leads and not acceptance.may_end(stack)
    for kind in accepted:
        if kind not in _BEGINNERS or word.leads:
            yield Repair(place, 0, kind, _cost_of_insert(kind, word, between_lines) + later)
    earlier_is_right = place < at and (words[at].leads or word.type not in SYMBOLS)
    if word.type == END or (earlier_is_right and word.text != words[place - 1].text):
        return
    for kind in accepted:
        cost = _cost_of_respelling(word, kind, accepted)
        if cost is not None:
            yield Repair(place, 1, kind, cost + later)
    yield Repair(place, 1, "", _cost_of_leaving_out(words, place) + later)


def _cost_of_insert(kind: str, word: Word, between_lines: bool) -> float:
    if kind in _BEGINNERS:
        return 1.5
    if kind in _RARE:
        return 1.75
    if kind in SYMBOLS or kind == "_IN":
        return 0.5 if word.leads and kind in _CLOSERS else 1.0
    return 1.0 if between_lines else 1.25


def _cost_of_respelling(word: Word, kind: str, accepted: Sequence[str]) -> float | None:
    """None for what nobody writes for the other."""
    if kind in KEYWORDS:
        known = [KEYWORDS[other] for other in accepted if other in KEYWORDS]
        if word.text.isidentifier() and nearest(word.text, known) == KEYWORDS[kind]:
            return 0.0
        return 2.0 if word.leads else None
    if kind in _CONFUSED.get(word.text, "").split():
        return 0.5
    if word.type in ("BAD_NUMBER", "OPEN_STRING", "STRAY"):
        return 0.75
    return 2.0


def _cost_of_leaving_out(words: Sequence[Word], at: int) -> float:
    word = words[at]
    if word.type == "STRAY" or (at and words[at - 1].text == word.text):
        return 0.5
    return 2.0 if word.leads else 1.25
