"""The grammar itself: free of conflicts, and every terminal has a name in English."""

from __future__ import annotations

from pathlib import Path

import pytest
from lark import Lark, UnexpectedCharacters, UnexpectedToken

from ffebm_dsl.diagnostics import SourceFile, SpecError
from ffebm_dsl.syntax import RESERVED, parse, tables
from ffebm_dsl.syntax.terminals import CLASSES, KEYWORDS, SYMBOLS, english, expectation


@pytest.fixture(scope="module")
def strict() -> Lark:
    """Strict: Lark refuses grammars with conflicts, and terminals that collide."""
    return Lark(
        tables.grammar_text(),
        parser="lalr",
        lexer="contextual",
        strict=True,
        start=list(tables.STARTS),
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


GOLDEN = Path(__file__).parents[2] / "golden"


def test_tables_are_current() -> None:
    command = "python -m ffebm_dsl.syntax.tables"
    assert tables._read_tables()["made_from"] == tables._made_from(), f"run {command}"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*/*.ffe")), ids=lambda path: path.stem)
def test_tables_parse_like_the_grammar(path: Path, fresh: Lark) -> None:
    text = path.read_text(encoding="utf-8")
    found: list[object] = []
    for parser in (fresh, tables.parser()):
        try:
            found.append(parser.parse(text, start="start"))
        except UnexpectedToken as fault:
            found.append((fault.pos_in_stream, fault.accepts))
        except UnexpectedCharacters as fault:
            found.append((fault.pos_in_stream, fault.allowed))
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def fresh() -> Lark:
    return tables.build_parser()


def test_stale_tables_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_read_tables", lambda: {"made_from": {"lark": "0"}})
    tables.parser.cache_clear()
    try:
        with pytest.raises(SpecError):
            parse(SourceFile("a.ffe", "model"))
        assert parse(SourceFile("a.ffe", "ffe 1.0")).version is not None
    finally:
        tables.parser.cache_clear()
