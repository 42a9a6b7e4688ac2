"""The tokens of texts that need not parse, against the lexer that Lark makes of the grammar."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Lark

from ffebm_dsl.language.syntax.generate import build_parser
from ffebm_dsl.language.syntax.terminals import KEYWORDS, SYMBOLS
from ffebm_dsl.language.syntax.tokens import TokenKind, find_tokens

ROOT = Path(__file__).parents[4]
SPECS = [*(ROOT / "specs").rglob("*.ffe"), *(ROOT / "tests" / "golden" / "good").glob("*.ffe")]
COMMENTS = (TokenKind.COMMENT, TokenKind.DOC)


def kind_of(terminal: str) -> TokenKind:
    if terminal in KEYWORDS:
        return TokenKind.KEYWORD
    if terminal in SYMBOLS:
        return TokenKind.SYMBOL
    names = {"NAME": TokenKind.NAME, "STRING": TokenKind.STRING}
    return names.get(terminal, TokenKind.NUMBER)


@pytest.fixture(scope="module")
def lark() -> Lark:
    return build_parser()


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_grammars_lexer_sees_the_same_tokens(path: Path, lark: Lark) -> None:
    text = path.read_text(encoding="utf-8")
    found = [t for t in find_tokens(text) if t.kind not in COMMENTS]
    lexed = [(kind_of(t.type), t.start_pos, str(t)) for t in lark.lex(text)]
    assert [(t.kind, t.span.start, t.text) for t in found] == lexed


@given(st.text(alphabet=st.sampled_from('ab1.e_"#\n\r\t {}<->|>/é\U0001f600'), max_size=40))
def test_no_text_is_lost(text: str) -> None:
    """Between tokens there is only white space, and each token is what stands at its place."""
    at = 0
    for token in find_tokens(text):
        assert text[at : token.span.start].isspace() or at == token.span.start
        assert text[token.span.start : token.span.end] == token.text
        at = token.span.end
    assert text[at:].isspace() or at == len(text)


@pytest.mark.parametrize("text", ['"open', "3x", "1.2x", "$"])
def test_what_is_no_token_is_an_error(text: str) -> None:
    assert TokenKind.ERROR in {t.kind for t in find_tokens(text)}
