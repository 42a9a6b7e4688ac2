"""A faulty text -> its diagnostics, and the AST of what was understood. Loaded on demand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lark import Token

from ffebm_dsl.diagnostics import SourceFile, Span
from ffebm_dsl.syntax.automaton import automaton
from ffebm_dsl.syntax.faults import describe
from ffebm_dsl.syntax.parse import Recovered
from ffebm_dsl.syntax.recover import mend
from ffebm_dsl.syntax.scan import END, Word, scan
from ffebm_dsl.syntax.tables import parser
from ffebm_dsl.syntax.to_ast import to_ast


def mended(source: SourceFile, start: str) -> Recovered:
    """What is left of a text that the parser refuses."""
    words = scan(source.text)
    found = mend(words, start)
    walked = automaton(start)
    diagnostics = tuple(describe(fault, words, walked, source) for fault in found.faults)
    if not diagnostics:
        raise AssertionError("the parser refuses a text in which recovery finds no fault")
    program = None if found.words is None else to_ast(_tree(found.words, start), source)
    damaged = tuple(Span(word.start, word.end) for word in found.touched)
    return Recovered(program, diagnostics, damaged, found.names_lost)


def _tree(words: Sequence[Word], start: str) -> Any:
    state = parser().parse_interactive("", start=start).parser_state
    tree = None
    for word in words:
        token = Token(word.kind, word.text, start_pos=word.start, end_pos=word.end)
        tree = state.feed_token(token, word.kind == END)
    return tree
