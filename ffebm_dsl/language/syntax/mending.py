"""A faulty text -> its diagnostics, and the AST of what was understood. Loaded on demand."""

from __future__ import annotations

from collections.abc import Sequence

from ffebm_dsl.language.diagnostics import SourceFile, Span
from ffebm_dsl.language.syntax.automaton import automaton
from ffebm_dsl.language.syntax.faults import describe
from ffebm_dsl.language.syntax.recover import mend
from ffebm_dsl.language.syntax.recovered import Recovered
from ffebm_dsl.language.syntax.scan import Word
from ffebm_dsl.language.syntax.to_ast import to_ast


def mended(words: Sequence[Word], start: str, source: SourceFile) -> Recovered:
    """What is left of a text whose ``words`` the parser refuses."""
    found = mend(words, start)
    walked = automaton(start)
    diagnostics = tuple(describe(fault, words, walked, source) for fault in found.faults)
    if not diagnostics:
        raise AssertionError("the parser refuses a text in which recovery finds no fault")
    program = None if found.words is None else to_ast(found.words, start, source)
    damaged = tuple(Span(word.start, word.end) for word in found.touched)
    return Recovered(program, diagnostics, damaged, found.names_lost)
