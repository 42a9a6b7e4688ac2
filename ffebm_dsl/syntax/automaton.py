"""The parser's LALR tables, walked without building a tree: what may follow, and how far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from lark.parsers.lalr_analysis import Shift

from ffebm_dsl.syntax.scan import END, Word
from ffebm_dsl.syntax.tables import parser
from ffebm_dsl.syntax.terminals import KEYWORDS

Stack = tuple[int, ...]
"""The parser's states, innermost last: all that decides what it accepts."""


class Situation(NamedTuple):
    """Where the parser stands: its state and the terminals that it accepts there.

    The state is the one after all reductions that no next word could prevent; without them
    one state would stand for the end of a name in every rule. Numbers of states differ
    between builds of the parser, and are never stored.
    """

    state: int
    accepted: frozenset[str]


class Automaton:
    """The tables of one start rule; ``start`` is the stack before the first word."""

    def __init__(
        self, states: Mapping[int, Mapping[str, tuple[Any, Any]]], start: int, end: int
    ) -> None:
        self._states = states
        self._end = end
        self.start: Stack = (start,)
        self.accepted = lru_cache(maxsize=1024)(self._accepted)

    def step(self, stack: Stack, kind: str) -> Stack | None:
        """The stack after a word of this kind; None where it cannot stand there."""
        states = [*stack]
        while True:
            entry = self._states[states[-1]].get(kind)
            if entry is None:
                return None
            action, argument = entry
            if action is Shift:
                states.append(argument)
                return tuple(states)
            self._reduce(states, argument)
            if kind == END and states[-1] == self._end:
                return tuple(states)

    def _reduce(self, states: list[int], rule: Any) -> None:
        size = len(rule.expansion)
        if size:
            del states[-size:]
        states.append(self._states[states[-1]][rule.origin.name][1])

    def _accepted(self, stack: Stack) -> frozenset[str]:
        kinds = (kind for kind in self._states[stack[-1]] if kind.isupper() or kind == END)
        return frozenset(kind for kind in kinds if self.step(stack, kind) is not None)

    def may_end(self, stack: Stack) -> bool:
        """Whether a statement may end here: what holds it, or the text, could be closed."""
        return self.step(stack, "_RBRACE") is not None or self.step(stack, END) is not None

    def situation(self, stack: Stack) -> Situation:
        """Where ``stack`` is."""
        accepted: frozenset[str] = self.accepted(stack)
        states = [*stack]
        while True:
            entries = [self._states[states[-1]].get(kind) for kind in sorted(accepted)]
            first = entries[0] if entries else None
            if first is None or first[0] is Shift or any(entry != first for entry in entries):
                return Situation(states[-1], accepted)
            self._reduce(states, first[1])

    def kind_of(self, stack: Stack, word: Word, before: Word | None) -> str:
        """What ``word`` is at this place, as the parser's contextual lexer decides it.

        A keyword is a name where only a name can stand; but one that leads its line begins a
        statement, whatever the statement before it lacks.
        """
        kinds = self._states[stack[-1]]
        if word.kind not in KEYWORDS or word.kind in kinds or "NAME" not in kinds:
            return word.kind
        if word.leads and (before is None or before.kind != "_DOT"):
            return word.kind
        return "NAME"

    def reach(self, stack: Stack, words: Sequence[Word], start: int, limit: int) -> int:
        """How many of ``words`` from ``start`` on can follow, at most ``limit``.

        The end of the text counts for all that could have come.
        """
        for count in range(limit):
            at = start + count
            kind = self.kind_of(stack, words[at], words[at - 1] if at else None)
            stepped = self.step(stack, kind)
            if stepped is None:
                return count
            if kind == END:
                return limit
            stack = stepped
        return limit


@lru_cache(maxsize=2)
def automaton(start: str) -> Automaton:
    """The automaton of a start rule of the grammar."""
    conf = parser().parse_interactive("", start=start).parser_state.parse_conf
    return Automaton(conf.states, conf.start_state, conf.end_state)
