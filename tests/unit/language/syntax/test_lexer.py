"""The tokens of any text: none is lost, and faulty ones have types that no rule uses."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffebm_dsl.language.syntax import code_tokens, lex
from tests.mutants import real_specs

TEXT = 'a\n  ffe 1.5 2x "open\n## doc  \n\t$ <-> "shut" use x-y.z >= 1.2 use use_a  # b'


def test_words_and_their_places() -> None:
    words = lex(TEXT)
    assert [word.type for word in words] == [
        *("NAME", "_FFE", "REAL", "BAD_NUMBER", "OPEN_STRING", "COMMENT", "STRAY", "_BOTH"),
        *("STRING", "REQUIREMENT", "NAME", "NAME", "COMMENT"),
    ]
    assert [word.line for word in words[:8]] == [1, 2, 2, 2, 2, 3, 4, 4]
    assert [(word.indent, word.leads) for word in words[:7]] == [
        *((0, True), (2, True), (2, False), (2, False), (2, False), (0, True), (1, True))
    ]
    assert [word.kind for word in words] == [
        *("name", "keyword", "number", "error", "error", "doc comment", "error", "symbol"),
        *("string", "use statement", "name", "name", "comment"),
    ]


def test_the_parser_reads_all_but_the_comments_and_then_the_end() -> None:
    assert [word.type for word in code_tokens(lex("a # b\n"))] == ["NAME", "$END"]
    (end,) = code_tokens(lex(" \n # only"))
    assert (end.type, end.span.start) == ("$END", 0)


@given(st.text(alphabet=st.sampled_from('ab1.e_"#\n\r\t\f use {}<->|>=/é\U0001f600')) | st.text())
def test_no_text_is_lost(text: str) -> None:
    """Between words there is only white space, and each is what stands at its place."""
    words = lex(text)
    assert all(a.span.end <= b.span.start for a, b in pairwise(words))
    for word in words:
        assert text[word.span.start : word.span.end] == word.text
    covered = "".join(word.text for word in words)
    assert "".join(text.split()) == "".join(covered.split())


@pytest.mark.parametrize(("name", "text"), real_specs(), ids=lambda value: value[:20])
def test_real_specs_have_no_faulty_words(name: str, text: str) -> None:
    assert not any(word.kind == "error" for word in lex(text))
