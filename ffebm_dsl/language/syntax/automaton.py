"""The parser's LALR tables, walked without building a tree: what may follow, and how far."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from ffebm_dsl.language.syntax.scan import END, Word
from ffebm_dsl.language.syntax.tables import Rule, Tables, tables
from ffebm_dsl.language.syntax.terminals import KEYWORDS

Stack = tuple[int, ...]
"""The parser's states, innermost last: all that decides what it accepts."""


class Situation(NamedTuple):
    """Where the parser stands: its state and the terminals that it accepts there.

    The state is the one after all reductions that no next word could prevent; without them
    one state would stand for the end of a name in every rule. Numbers of states change with
    the grammar, and no other file holds them.
    """

    state: int
    accepted: frozenset[str]


class Automaton:
    """The tables of one start rule; ``start`` is the stack before the first word."""

    def __init__(self, tables: Tables, start: str) -> None:
        self._states = tables.states
        self._rules = tables.rules
        self._end = tables.ends[start]
        self.start: Stack = (tables.starts[start],)
        self.accepted = lru_cache(maxsize=1024)(self._accepted)

    def step(self, stack: Stack, kind: str) -> Stack | None:
        """The stack after a word of this kind; None where it cannot stand there."""
        states = [*stack]
        while True:
            action = self._states[states[-1]].get(kind)
            if action is None:
                return None
            if action >= 0:
                return (*states, action)
            self._reduce(states, self._rules[-1 - action])
            if kind == END and states[-1] == self._end:
                return tuple(states)

    def _reduce(self, states: list[int], rule: Rule) -> None:
        if rule.size:
            del states[-rule.size :]
        states.append(self._states[states[-1]][rule.origin])

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
            actions = {self._states[states[-1]].get(kind) for kind in accepted}
            action = actions.pop() if len(actions) == 1 else None
            if action is None or action >= 0:
                return Situation(states[-1], accepted)
            self._reduce(states, self._rules[-1 - action])

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
    return Automaton(tables(), start)
