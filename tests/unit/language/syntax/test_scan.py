"""Words of any text, and of legal ones the same as a lexer made of the grammar finds."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffebm_dsl.language.syntax.generate import build_parser
from ffebm_dsl.language.syntax.scan import BAD_NUMBER, END, OPEN_STRING, STRAY, scan
from tests.mutants import real_specs


@pytest.mark.parametrize(("name", "text"), real_specs(), ids=lambda value: value[:20])
def test_words_are_those_of_the_grammars_lexer(name: str, text: str) -> None:
    lexer = build_parser(lexer="basic")
    theirs = [(token.type, str(token), token.start_pos) for token in lexer.lex(text)]
    assert [(word.kind, word.text, word.start) for word in scan(text)[:-1]] == theirs


def test_every_character_is_in_one_word_or_between_them() -> None:
    words = scan('a\n  ffe 1.5 2x "open\n# comment\n\t$ <-> "shut"')
    assert [word.kind for word in words] == [
        *("NAME", "_FFE", "REAL", BAD_NUMBER, OPEN_STRING, STRAY, "_BOTH", "STRING", END)
    ]
    assert [word.line for word in words] == [1, 2, 2, 2, 2, 4, 4, 4, 4]
    assert [(word.indent, word.leads) for word in words[:6]] == [
        *((0, True), (2, True), (2, False), (2, False), (2, False), (1, True))
    ]


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_words(text: str) -> None:
    *words, end = scan(text)
    assert all(text[word.start : word.end] == word.text for word in words)
    assert all(a.end <= b.start for a, b in pairwise(words))
    assert end.kind == END
