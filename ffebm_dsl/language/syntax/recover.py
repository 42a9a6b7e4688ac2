"""Error recovery of the parser, so that one run finds every fault.

At a token that is not accepted, the parser makes the smallest repair after which the next
tokens fit: a token inserted, respelt or left out. If there is none, it skips to the next
statement and reports nothing about the six tokens after that. The repaired tokens are a legal
text, whose tree is used for the faulty one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax.acceptance import ENOUGH, LOOK_AHEAD, Situation, Stack, acceptance
from ffebm_dsl.language.syntax.grammar import END, KEYWORDS, SYMBOLS
from ffebm_dsl.language.syntax.lexer import Token
from ffebm_dsl.language.syntax.repairs import RESPELT, UNDONE, Repair, explains, find_repair

QUIET = 6
"""Words after a skip in which a further fault is not reported."""

MAX_FAULTS = 50
"""Faults after which a text is given up: these have to be repaired first."""


MAX_MENDED = 400
"""Faults, reported or not, after which a text is given up: each takes half a millisecond, and a
line of 64 KiB can have as many as it has characters."""


class Fault(NamedTuple):
    """A place where the parser could not go on.

    ``situation`` is the parser's before ``token``, the token that was not accepted, and
    ``opening`` the innermost brace open there. ``repair`` is what was done, perhaps to the
    token before; None where the text was skipped. ``begins`` where a statement could begin at
    the place of the repair.
    """

    situation: Situation
    token: Token
    repair: Repair | None
    opening: Token | None
    begins: bool


def mend_beginning(tokens: Sequence[Token]) -> tuple[list[Token], Stack]:
    """The tokens of a text that is cut off at its end, as far as they can be made legal, and
    the parser's stack behind them."""
    stack = acceptance("start").behind(tokens[:-1])
    if stack is not None:
        return [*tokens[:-1]], stack
    recovery = Recovery(tokens, "start")
    recovery.run(to_end=False)
    return recovery.kept, recovery.history[-1]


class Recovery:
    """One parse, up to the token ``at``.

    ``kept`` are the tokens that the parser has taken, a legal text when the parse is
    ``complete``. ``faults`` are those on the way there, and ``touched`` the tokens of the text
    that a repair concerns; where ``names_lost``, a name may have been left out among them, or one
    is missing.

    ``history[i]`` is the parser's stack after ``i`` of the tokens kept; ``stacks[i]`` is its stack
    before token ``i`` of the text, empty if it never got there.
    """

    def __init__(self, tokens: Sequence[Token], start: str) -> None:
        self.acceptance = acceptance(start)
        self.tokens = tokens
        self.at = 0
        self.kept: list[Token] = []
        self.history: list[Stack] = [self.acceptance.start]
        self.stacks: list[Stack] = [()] * len(tokens)
        self.quiet_until = self.quiet_line = 0
        self.mended = 0
        self.complete = self.given_up = self.names_lost = False
        self.faults: list[Fault] = []
        self.touched: list[Token] = []

    def run(self, *, to_end: bool = True) -> None:
        """Read all tokens, the end of the text too if ``to_end``; one with too many faults is
        given up before."""
        while not (self.complete or self.given_up):
            if not to_end and self.tokens[self.at].type == END:
                return
            self._step()
            self.given_up |= len(self.faults) >= MAX_FAULTS or self.mended >= MAX_MENDED

    def _step(self) -> None:
        """Read the next token, or mend the text there."""
        token = self.tokens[self.at]
        stack = self.stacks[self.at] = self.history[-1]
        kind = self.acceptance.kind_of(stack, self.tokens, self.at)
        if not self._take(token._replace(type=kind)):
            self._mend()
            return
        self.at += 1
        self.complete = kind == END

    def _take(self, token: Token) -> bool:
        """Feed one token; False if the parser does not accept it."""
        stack = self.acceptance.step(self.history[-1], token.type)
        if stack is None:
            return False
        self.kept.append(token)
        self.history.append(stack)
        return True

    def _back_to(self, count: int) -> None:
        """Undo all tokens but the first ``count`` that were kept."""
        del self.kept[count:], self.history[count + 1 :]

    def _report(self, token: Token, repair: Repair | None) -> None:
        stack = self.history[-1]
        begins = self.acceptance.may_end(self.stacks[repair.at] if repair else stack)
        situation = self.acceptance.situation(stack)
        self.faults.append(Fault(situation, token, repair, self._opening(), begins))

    def _opening(self) -> Token | None:
        """The innermost brace that is open."""
        depth = 0
        for token in reversed(self.kept):
            depth += {"_RBRACE": 1, "_LBRACE": -1}.get(token.type, 0)
            if depth < 0:
                return token
        return None

    def _mend(self) -> None:
        """Go past the token that does not fit, by a repair or a skip."""
        self.mended += 1
        token = self.tokens[self.at]
        repair = find_repair(self.acceptance, self._recent_stacks(), self.tokens, self.at)
        if self.at >= self.quiet_until and token.line != self.quiet_line:
            self._report(token, repair)
        if repair is None:
            self.touched.append(token)
            self._skip()
        else:
            self._apply(repair)

    def _recent_stacks(self) -> list[Stack]:
        """The stacks before the next token and before those in front of it, as many as the
        parser took unchanged; the nearest first."""
        count = 0
        while (
            count < min(UNDONE, len(self.kept), self.at)
            and self.kept[-1 - count].span == self.tokens[self.at - 1 - count].span
            and self.kept[-1 - count].text == self.tokens[self.at - 1 - count].text
        ):
            count += 1
        return [self.history[-1 - i] for i in range(count + 1)]

    def _apply(self, repair: Repair) -> None:
        changed = self.tokens[repair.at]
        if repair.reach < LOOK_AHEAD and not (changed.leads and repair.skip == 0):
            # What it explains ends soon: what else is wrong in this line may follow from it.
            self.quiet_line = self.tokens[self.at].line
        self._back_to(len(self.kept) - (self.at - repair.at))
        self.at = repair.at + repair.skip
        self.touched.append(changed)
        respelt = repair.cost == RESPELT or not repair.skip
        if repair.insert == "NAME" or (changed.type == "NAME" and not respelt):
            self.names_lost = True
        if repair.insert:
            self._put_in(repair.insert, changed)

    def _skip(self) -> None:
        """Continue at the next statement, or at the end of the statement around the fault."""
        self.names_lost = True
        boundary = len(self.kept)
        while boundary and not self.acceptance.may_end(self.history[boundary]):
            boundary -= 1
        self.touched += self.kept[boundary:]
        self._back_to(boundary)
        depth = 0
        while depth or not self._resumes():
            token = self.tokens[self.at]
            if token.type == END:
                self.given_up = True
                return
            depth = max(depth + {"_LBRACE": 1, "_RBRACE": -1}.get(token.type, 0), 0)
            self.touched.append(token)
            self.at += 1
        self.quiet_until = self.at + QUIET

    def _resumes(self) -> bool:
        """Whether the text makes sense from the next token on, if need be after closing what
        holds it; then that is done."""
        token = self.tokens[self.at]
        if not (token.leads or token.type == "_RBRACE"):
            return False
        closings, stack = 0, self.history[-1]
        while not explains(
            self.tokens, self.at, self.acceptance.reach(stack, self.tokens, self.at, ENOUGH)
        ):
            closed = self.acceptance.step(stack, "_RBRACE")
            if closed is None or not (token.type == END or token.type in KEYWORDS):
                return False
            closings, stack = closings + 1, closed
        for _ in range(closings):
            self._put_in("_RBRACE", token)
        return True

    def _put_in(self, kind: str, at: Token) -> None:
        """Insert a token in front of ``at``."""
        spelling = KEYWORDS.get(kind) or SYMBOLS.get(kind)
        text = spelling or {"NAME": "_", "STRING": '""', "REAL": "1.0"}.get(kind, "1")
        line = self.kept[-1].line if at.leads and self.kept else at.line
        self._take(Token(kind, text, Span(at.span.start, at.span.start), line, False, at.indent))
