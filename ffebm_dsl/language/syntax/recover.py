"""Parsing on after a fault, so that one run finds every fault.

At a word that cannot stand where it stands, the parser takes the smallest repair after which
the next words fit: a word put in, respelt or left out. Where no such repair is, it skips to
the next statement and says nothing about the six words after that. The words as repaired
make a legal text, and its tree is what was understood of the faulty one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax.acceptance import (
    ENOUGH,
    LOOK_AHEAD,
    Situation,
    Stack,
    acceptance,
)
from ffebm_dsl.language.syntax.braces import mend_braces
from ffebm_dsl.language.syntax.grammar import END, KEYWORDS, SYMBOLS
from ffebm_dsl.language.syntax.lexer import Word
from ffebm_dsl.language.syntax.repairs import (
    UNDONE,
    Repair,
    explains,
    find_repair,
)

QUIET = 6
"""Words after a skip in which a further fault is not reported."""

MAX_FAULTS = 50
"""Faults after which a text is given up: whoever repairs these will run the check again."""


MAX_MENDED = 400
"""Faults, reported or not, after which a text is given up: each takes half a millisecond, and a
line of 64 KiB can have as many as it has characters."""


class Fault(NamedTuple):
    """A place where the parser could not go on.

    ``situation`` is the parser's before ``word``, the word that could not stand there, and
    ``opening`` the innermost brace open there. ``repair`` is what was done, perhaps to the
    word before; None where the text was skipped. ``begins`` where a statement could begin at
    the place of the repair.
    """

    situation: Situation
    word: Word
    repair: Repair | None
    opening: Word | None
    begins: bool


class Mended(NamedTuple):
    """A text made legal: its words after all repairs (None for a text given up), its faults,
    and the words of the text that a repair concerns. Where ``names_lost``, a name may have
    been left out among them, or one is missing."""

    words: tuple[Word, ...] | None
    faults: tuple[Fault, ...]
    touched: tuple[Word, ...]
    names_lost: bool


def mend(words: Sequence[Word], start: str) -> Mended:
    """The words as a legal text, and every fault on the way there."""
    return _Recovery(words, start).run()


def mend_beginning(words: Sequence[Word]) -> tuple[list[Word], Stack]:
    """The words of a text that is cut off at its end, as far as they can be made legal, and
    the parser's stack behind them."""
    stack = acceptance("start").behind(words[:-1])
    if stack is not None:
        return [*words[:-1]], stack
    recovery = _Recovery(words, "start")
    recovery.braces = {}  # those that are open are no fault here
    recovery.run_to_end()
    return recovery.kept, recovery.history[-1]


class _Recovery:
    """One parse, up to the word ``at``.

    ``kept`` are the words that the parser has taken, ``history[i]`` its stack after ``i`` of
    them; ``stacks[i]`` is its stack before word ``i`` of the text, empty where it never stood
    there.
    """

    def __init__(self, words: Sequence[Word], start: str) -> None:
        self.acceptance = acceptance(start)
        self.words = words
        self.at = 0
        self.kept: list[Word] = []
        self.history: list[Stack] = [self.acceptance.start]
        self.stacks: list[Stack] = [()] * len(words)
        self.braces = mend_braces(words)
        self.quiet_until = self.quiet_line = 0
        self.mended = 0
        self.given_up = self.names_lost = False
        self.faults: list[Fault] = []
        self.touched: list[Word] = []

    def run(self) -> Mended:
        while not self._is_hopeless():
            if self._step():
                return self._mended(tuple(self.kept))
        return self._mended(None)

    def run_to_end(self) -> None:
        """Read all words but the end."""
        while self.words[self.at].type != END and not self._is_hopeless():
            self._step()

    def _is_hopeless(self) -> bool:
        many = len(self.faults) >= MAX_FAULTS or self.mended >= MAX_MENDED
        return many or self.given_up

    def _step(self) -> bool:
        """Read the next word, or mend what stands there; whether that was the end."""
        self._mend_brace()
        word = self.words[self.at]
        stack = self.stacks[self.at] = self.history[-1]
        kind = self.acceptance.kind_of(stack, self.words, self.at)
        if not self._take(word._replace(type=kind)):
            self._mend()
            return False
        self.at += 1
        return kind == END

    def _mended(self, words: tuple[Word, ...] | None) -> Mended:
        return Mended(words, tuple(self.faults), tuple(self.touched), self.names_lost)

    def _take(self, word: Word) -> bool:
        """Give the parser a word; False where it cannot stand here."""
        stack = self.acceptance.step(self.history[-1], word.type)
        if stack is None:
            return False
        self.kept.append(word)
        self.history.append(stack)
        return True

    def _back_to(self, count: int) -> None:
        """Undo all words but the first ``count`` that were kept."""
        del self.kept[count:], self.history[count + 1 :]

    def _mend_brace(self) -> None:
        """Put in or leave out the brace that the indentation shows to be wrong here."""
        for repair, line in self.braces.pop(self.at, ()):
            stack, word = self.history[-1], self.words[self.at]
            self.stacks[self.at] = stack
            if repair.insert:
                opening = self._opening()
                closed = self.acceptance.step(stack, repair.insert)
                if closed is None or opening is None or opening.line != line:
                    return
                unfit = self.acceptance.reach(closed, self.words, self.at, 1) == 0
                if unfit and word.type != END:
                    repair = repair._replace(skip=1)
            self._report(word, repair)
            self._apply(repair)

    def _report(self, word: Word, repair: Repair | None) -> None:
        stack = self.history[-1]
        begins = self.acceptance.may_end(self.stacks[repair.at] if repair else stack)
        situation = self.acceptance.situation(stack)
        self.faults.append(Fault(situation, word, repair, self._opening(), begins))

    def _opening(self) -> Word | None:
        """The innermost brace that is open."""
        depth = 0
        for word in reversed(self.kept):
            depth += {"_RBRACE": 1, "_LBRACE": -1}.get(word.type, 0)
            if depth < 0:
                return word
        return None

    def _mend(self) -> None:
        """Get past the word that does not fit, by a repair or by a skip."""
        self.mended += 1
        word = self.words[self.at]
        repair = find_repair(self.acceptance, self._recent_stacks(), self.words, self.at)
        if self.at >= self.quiet_until and word.line != self.quiet_line:
            self._report(word, repair)
        if repair is None:
            self.touched.append(word)
            self._skip()
        else:
            self._apply(repair)

    def _recent_stacks(self) -> list[Stack]:
        """The stacks before the next word and before those in front of it, as many as the
        parser took as they stand in the text; the nearest first."""
        count = 0
        while (
            count < min(UNDONE, len(self.kept), self.at)
            and self.kept[-1 - count].span == self.words[self.at - 1 - count].span
            and self.kept[-1 - count].text == self.words[self.at - 1 - count].text
        ):
            count += 1
        return [self.history[-1 - i] for i in range(count + 1)]

    def _apply(self, repair: Repair) -> None:
        changed = self.words[repair.at]
        if repair.reach < LOOK_AHEAD and not (changed.leads and repair.skip == 0):
            # What it explains ends soon: what else is wrong in this line may follow from it.
            self.quiet_line = self.words[self.at].line
        self._back_to(len(self.kept) - (self.at - repair.at))
        self.at = repair.at + repair.skip
        self.touched.append(changed)
        respelt = repair.cost == 0.0 or not repair.skip
        if repair.insert == "NAME" or (changed.type == "NAME" and not respelt):
            self.names_lost = True
        if repair.insert:
            self._put_in(repair.insert, changed)

    def _skip(self) -> None:
        """Go on at the next statement, or at the end of what the fault stands in."""
        self.names_lost = True
        boundary = len(self.kept)
        while boundary and not self.acceptance.may_end(self.history[boundary]):
            boundary -= 1
        self.touched += self.kept[boundary:]
        self._back_to(boundary)
        depth = 0
        while depth or not self._resumes():
            word = self.words[self.at]
            if word.type == END:
                self.given_up = True
                return
            depth = max(depth + {"_LBRACE": 1, "_RBRACE": -1}.get(word.type, 0), 0)
            self.touched.append(word)
            self.at += 1
        self.quiet_until = self.at + QUIET

    def _resumes(self) -> bool:
        """Whether the text makes sense from the next word on, if need be after closing what
        holds it; then that is done."""
        word = self.words[self.at]
        if not (word.leads or word.type == "_RBRACE"):
            return False
        closings, stack = 0, self.history[-1]
        while not explains(
            self.words, self.at, self.acceptance.reach(stack, self.words, self.at, ENOUGH)
        ):
            closed = self.acceptance.step(stack, "_RBRACE")
            if closed is None or not (word.type == END or word.type in KEYWORDS):
                return False
            closings, stack = closings + 1, closed
        for _ in range(closings):
            self._put_in("_RBRACE", word)
        return True

    def _put_in(self, kind: str, at: Word) -> None:
        """Give the parser a word that the text has not, in front of ``at``."""
        spelling = KEYWORDS.get(kind) or SYMBOLS.get(kind)
        text = spelling or {"NAME": "_", "STRING": '""', "REAL": "1.0"}.get(kind, "1")
        line = self.kept[-1].line if at.leads and self.kept else at.line
        self._take(Word(kind, text, Span(at.span.start, at.span.start), line, False, at.indent))
