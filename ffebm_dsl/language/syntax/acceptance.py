"""The terminals that Lark's parser accepts in a state, without building a tree."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from lark import UnexpectedToken
from lark.parsers.lalr_analysis import Shift
from lark.parsers.lalr_interactive_parser import InteractiveParser
from lark.parsers.lalr_parser_state import ParseConf, ParserState

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax.grammar import END, KEYWORDS, parser
from ffebm_dsl.language.syntax.lexer import Token

Stack = tuple[int, ...]
"""The parser's states, innermost last: all that decides what it accepts."""

LOOK_AHEAD = 10
"""Words on which a reading of a faulty text is tried."""

ENOUGH = 3
"""Words that must fit, or a reading explains nothing."""


class Situation(NamedTuple):
    """The parser's state and the terminals that it accepts there: the key of a message.

    The state is the one after all reductions that every accepted terminal leads to; before
    them, the end of a name is the same state in every rule. Numbers of states change with
    the grammar, so they are never stored.
    """

    state: int
    accepted: frozenset[str]


def as_accepted(token: Token, choices: dict[str, Any]) -> Token:
    """``token`` as a name where the parser, with these choices, takes a name and not the keyword
    that it is."""
    if token.type in choices or token.type not in KEYWORDS or "NAME" not in choices:
        return token
    return token._replace(type="NAME")


class Acceptance:
    """Lark's parser for a start rule, without a tree; ``start`` is the stack before any token."""

    def __init__(self, rule: str) -> None:
        self._reading = parser().parse_interactive("", start=rule)
        conf = self._reading.parser_state.parse_conf
        self._conf = ParseConf(conf.parse_table, {}, rule)
        self._has_statements = rule == "start"
        self.start: Stack = (self._conf.start_state,)
        self.accepted = lru_cache(maxsize=1024)(self._accepted)

    def _at(self, stack: Stack) -> ParserState[int]:
        return ParserState(self._conf, self._reading.lexer_thread, [*stack])

    def step(self, stack: Stack, kind: str) -> Stack | None:
        """The stack after a token of this kind; None if it is not accepted."""
        state = self._at(stack)
        return tuple(state.state_stack) if _takes(state, kind) else None

    def behind(self, tokens: Sequence[Token]) -> Stack | None:
        """The stack after all ``tokens``, from the start; None where they do not fit."""
        state = self._at(self.start)
        for token in tokens:
            kind = as_accepted(token, self._conf.states[state.position]).type
            if not _takes(state, kind):
                return None
        return tuple(state.state_stack)

    def _accepted(self, stack: Stack) -> frozenset[str]:
        thread = self._reading.lexer_thread
        return frozenset(InteractiveParser(parser(), self._at(stack), thread).accepts())  # type: ignore[no-untyped-call]

    def may_end(self, stack: Stack) -> bool:
        """Whether a statement may end here: what holds it, or the text, could be closed."""
        return not {"_RBRACE", END}.isdisjoint(self.accepted(stack))

    def kind_of(self, stack: Stack, tokens: Sequence[Token], at: int) -> str:
        """The terminal that the token ``at`` is read as.

        A keyword is a name where the parser accepts a name and not the keyword. In a faulty
        text, a keyword at the start of a line begins a statement unless what follows fits
        its reading as a name.
        """
        token = tokens[at]
        kind = as_accepted(token, self._conf.states[stack[-1]]).type
        if kind == token.type or not (token.leads and self._has_statements):
            return kind
        named = self.step(stack, "NAME")
        fits = named is not None and self.reach(named, tokens, at + 1, ENOUGH - 1) == ENOUGH - 1
        return kind if fits else token.type

    def reach(self, stack: Stack, tokens: Sequence[Token], start: int, limit: int) -> int:
        """How many of ``tokens`` from ``start`` on can follow, at most ``limit``.

        The end of the text counts for all that could have come.
        """
        state = self._at(stack)
        for count in range(limit):
            kind = self.kind_of(tuple(state.state_stack), tokens, start + count)
            if not _takes(state, kind):
                return count
            if kind == END:
                return limit
        return limit

    def situation(self, stack: Stack) -> Situation:
        """The situation that ``stack`` is in."""
        accepted: frozenset[str] = self.accepted(stack)
        states = [*stack]
        while True:
            actions = {self._conf.states[states[-1]].get(kind) for kind in accepted}
            action = actions.pop() if len(actions) == 1 else None
            if action is None or action[0] is Shift:
                return Situation(states[-1], accepted)
            rule = action[1]
            if rule.expansion:
                del states[-len(rule.expansion) :]
            states.append(self._conf.states[states[-1]][rule.origin.name][1])


def _takes(state: ParserState[int], kind: str) -> bool:
    """Feed one token; False if the parser does not accept it."""
    try:
        state.feed_token(Token(kind, "", Span(0, 0), 1, False, 0), kind == END)  # type: ignore[arg-type]
    except UnexpectedToken:
        return False
    return True


@lru_cache(maxsize=2)
def acceptance(rule: str) -> Acceptance:
    """The acceptance of a start rule of the grammar; cached."""
    return Acceptance(rule)
