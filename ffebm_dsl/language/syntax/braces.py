"""Which brace is missing or one too many, by how the lines are indented.

The parser notices a missing brace only where the text stops making sense, which may be many
lines further down. The indentation shows which brace was meant.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ffebm_dsl.language.syntax.acceptance import LOOK_AHEAD
from ffebm_dsl.language.syntax.grammar import END
from ffebm_dsl.language.syntax.lexer import Token
from ffebm_dsl.language.syntax.repairs import RESPELT, Repair

_HEADS = frozenset({"_MODEL", "_TEMPLATE", "_BLOCK", "_ENERGY", "_RELAX", "_TRAIN"})
"""Keywords of statements that have braces."""

_MOST = 3
"""More faults than these, and the text is not indented as it is meant."""


class Brace(NamedTuple):
    """The repair of a brace; one that is put in closes the brace open since ``line``."""

    repair: Repair
    line: int


class _Opening(NamedTuple):
    """An open brace, or one that is missing where it should be: its line, and how far that
    is indented."""

    line: int
    indent: int


def mend_braces(tokens: Sequence[Token]) -> dict[int, list[Brace]]:
    """Repairs of braces by the index of the token that they are at.

    Empty where the braces match, and where the indentation does not explain why they do not.
    """
    kinds = [token.type for token in tokens]
    if kinds.count("_LBRACE") == kinds.count("_RBRACE"):
        return {}
    walk = _Walk(tokens)
    found = [*walk.run()]
    explained = sum(1 if brace.repair.insert else -1 for brace in found)
    if walk.surplus == 0 or walk.surplus != explained or len(found) > _MOST:
        return {}
    places = {brace.repair.at for brace in found}
    return {at: [brace for brace in found if brace.repair.at == at] for at in places}


class _Walk:
    """One pass over the tokens, with the openings that are not closed yet.

    ``surplus`` is how many more openings than closings there are. A `{` that follows
    no statement with braces is a slip of another kind, and not an opening; ``head`` is how the
    last such statement begins, until its opening. ``leading`` are the first tokens of the
    lines, at ``places``; the end of the text is the last.
    """

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.open: list[_Opening] = []
        self.surplus = 0
        self.head: list[Token] = []
        self.places = [at for at, token in enumerate(tokens) if token.leads]
        self.leading = [tokens[at] for at in self.places]

    def run(self) -> Iterator[Brace]:
        for at, token in enumerate(self.tokens):
            if token.leads and token.type != "_LBRACE":
                if self.head and not self._is_instance(self.head):
                    self._open(self.tokens[at - 1])
                yield from self._close_deeper(at, token)
            if token.type == "_LBRACE" and self.head:
                self._open(token)
            elif token.type == "_RBRACE":
                yield from self._close(at, token)
            elif token.type in _HEADS:
                self.head = [*self.tokens[at : at + 3]]

    def _open(self, token: Token) -> None:
        self.open.append(_Opening(token.line, token.indent))
        self.surplus += 1
        self.head = []

    def _close_deeper(self, at: int, token: Token) -> Iterator[Brace]:
        """Close what a line with this indentation cannot be inside of."""
        closes = token.type == "_RBRACE"
        while self.open and self._is_outside(token, self.open[-1], closes):
            opening = self.open.pop()
            yield Brace(Repair(at, 0, "_RBRACE", RESPELT, LOOK_AHEAD), opening.line)

    def _is_outside(self, token: Token, opening: _Opening, closes: bool) -> bool:
        if token.type == END:
            return True
        if token.line == opening.line:
            return False
        return token.indent < opening.indent or (token.indent == opening.indent and not closes)

    def _close(self, at: int, token: Token) -> Iterator[Brace]:
        self.surplus -= 1
        if self.open and not self._is_surplus(at, token):
            self.open.pop()
            return
        yield Brace(Repair(at, 1, "", RESPELT, LOOK_AHEAD), token.line)

    def _is_surplus(self, at: int, token: Token) -> bool:
        opening = self.open[-1]
        if token.leads:
            return token.indent > opening.indent
        if token.line == opening.line:
            return False
        later = self.leading[bisect_right(self.places, at)]
        return later.type != END and later.indent > opening.indent

    def _is_instance(self, head: list[Token]) -> bool:
        """Whether this is ``block b = template(...)``, which needs no braces."""
        return head[0].type == "_BLOCK" and any(token.type == "_EQUAL" for token in head)
