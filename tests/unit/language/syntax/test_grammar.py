"""The grammar itself: free of conflicts, and every terminal has a name in English."""

from __future__ import annotations

from importlib.resources import files

import pytest
from lark import Lark

from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.syntax import RESERVED, parse, tables
from ffebm_dsl.language.syntax.generate import STARTS, make_tables, text_of
from ffebm_dsl.language.syntax.terminals import CLASSES, KEYWORDS, SYMBOLS, english, expectation


@pytest.fixture(scope="module")
def strict() -> Lark:
    """Strict: Lark refuses grammars with conflicts, and terminals that collide."""
    return Lark(
        tables.grammar_text(),
        parser="lalr",
        lexer="contextual",
        strict=True,
        start=list(STARTS),
    )


def test_every_terminal_has_a_name_in_english(strict: Lark) -> None:
    terminals = {terminal.name for terminal in strict.terminals}
    named = set(KEYWORDS) | set(SYMBOLS) | set(CLASSES)
    assert terminals - {"COMMENT", "SPACE"} == named - {"$END"}


def test_keywords_are_the_reserved_words(strict: Lark) -> None:
    patterns = {t.name: t.pattern.value for t in strict.terminals}
    for terminal, word in KEYWORDS.items():
        assert patterns[terminal] == rf"{word}\b"
    assert set(KEYWORDS.values()) == RESERVED


def test_symbols_are_what_the_grammar_says(strict: Lark) -> None:
    patterns = {t.name: t.pattern.value for t in strict.terminals}
    assert {name: patterns[name] for name in SYMBOLS} == dict(SYMBOLS)


def test_no_internal_name_is_shown() -> None:
    for terminal in (*KEYWORDS, *SYMBOLS, *CLASSES):
        assert terminal not in english(terminal)


def test_expectations_read_as_a_sentence() -> None:
    assert expectation({"_RPAR", "_COMMA"}) == "`)` or `,`"
    assert expectation({"_COMMA", "PLUS", "MINUS", "STAR", "SLASH"}) == "`,`"
    assert expectation(()) == ""


def test_the_tables_beside_the_grammar_are_current() -> None:
    stored = files("ffebm_dsl.grammar").joinpath(tables.FILE).read_text(encoding="ascii")
    assert stored == text_of(make_tables()), "run python -m ffebm_dsl.language.syntax.generate"
    assert tables.tables() == make_tables()


def test_stale_tables_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_read_stored", lambda: {"grammar_crc32": 0, "rules": None})
    tables.tables.cache_clear()
    try:
        with pytest.raises(SpecError):
            parse(SourceFile("a.ffe", "model"))
        assert parse(SourceFile("a.ffe", "ffe 1.0")).version is not None
    finally:
        tables.tables.cache_clear()
