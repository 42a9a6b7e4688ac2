"""Words -> AST: the parser's tables walked from the first word to the last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax.scan import END, Word
from ffebm_dsl.language.syntax.tables import CHILD, PARTS, Rule, tables
from ffebm_dsl.language.syntax.terminals import KEYWORDS

Make = Callable[..., Any]
"""A node from its place and its children: nodes, words and, where an optional part was left
out, None."""


def derive(words: Iterable[Word], start: str, nodes: Mapping[str, Make]) -> Any:
    """The node of the start rule, made of all ``words``, of which the end is the last.

    None where the words do not follow the grammar.
    """
    return _Derivation(start, nodes).run(words)


class _Derivation:
    """One parse. ``symbols`` are what was read and not yet reduced: words, nodes and parts of
    nodes, from ``firsts`` to ``lasts``; ``states[i]`` is the parser's before symbol ``i``.
    """

    def __init__(self, start: str, nodes: Mapping[str, Make]) -> None:
        self.tables = tables()
        self.nodes = nodes
        self.states = [self.tables.starts[start]]
        self.end = self.tables.ends[start]
        self.symbols: list[Any] = []
        self.firsts: list[int] = []
        self.lasts: list[int] = []

    def run(self, words: Iterable[Word]) -> Any:
        table, rules, states = self.tables.states, self.tables.rules, self.states
        last = 0
        for word in words:
            row, kind = table[states[-1]], word.kind
            if kind not in row and kind in KEYWORDS:
                # A keyword is a name where only a name can stand.
                kind = "NAME"
            while (action := row.get(kind)) is not None and action < 0:
                row = table[self._reduce(rules[-1 - action], last)]
                if kind == END and states[-1] == self.end:
                    return self.symbols[0]
            if action is None:
                return None
            last = word.end
            states.append(action)
            self.symbols.append(word)
            self.firsts.append(word.start)
            self.lasts.append(last)
        raise AssertionError("the end is no word of the text")

    def _reduce(self, rule: Rule, last: int) -> int:
        """Make one symbol of the last ones; the state after it. One that is made of none is
        where the word before it ends, at ``last``."""
        size = rule.size
        if size == 1 and rule.node == CHILD:
            # The symbol stays, under another name: a third of all reductions.
            state = self.states[-1] = self.tables.states[self.states[-2]][rule.origin]
            return state
        first = last
        children: list[Any] = []
        if size:
            first, last = self.firsts[-size], self.lasts[-1]
            children = self.symbols[-size:]
            del self.states[-size:], self.symbols[-size:], self.firsts[-size:], self.lasts[-size:]
        state = self.tables.states[self.states[-1]][rule.origin]
        self.states.append(state)
        self.symbols.append(self._made(rule, children, first, last))
        self.firsts.append(first)
        self.lasts.append(last)
        return state

    def _made(self, rule: Rule, symbols: list[Any], first: int, last: int) -> Any:
        node, picks = rule.node, rule.picks
        if node == CHILD:
            return symbols[picks[0] or 0]
        children: list[Any] = []
        for pick in picks:
            if pick is None:
                children.append(None)
            elif pick >= 0:
                children.append(symbols[pick])
            else:
                # Parts at the head grow in place: nobody else holds their list.
                parts = symbols[-1 - pick]
                children = [*children, *parts] if children else parts
        return children if node == PARTS else self.nodes[node](Span(first, last), *children)
