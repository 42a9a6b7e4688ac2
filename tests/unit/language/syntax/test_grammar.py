"""The grammar has no conflicts, and every terminal has a name in English."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lark import Lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.syntax import RESERVED, grammar, parse
from ffebm_dsl.language.syntax.grammar import CLASSES, KEYWORDS, SYMBOLS, english, expectation

ROOT = Path(__file__).parents[4]
ASIDE = {"COMMENT", "SPACE", "OPEN_STRING", "BAD_NUMBER", "STRAY"}


@pytest.fixture(scope="module")
def strict() -> Lark:
    """Strict: Lark refuses grammars with conflicts, and terminals that collide."""
    return Lark(
        grammar.grammar_text(),
        parser="lalr",
        lexer="basic",
        strict=True,
        start=["start", "override", "aside"],
    )


def test_every_terminal_has_a_name_in_english(strict: Lark) -> None:
    terminals = {terminal.name for terminal in strict.terminals}
    assert terminals - ASIDE == set(KEYWORDS) | set(SYMBOLS) | set(CLASSES) - {"$END"}


def test_keywords_are_the_reserved_words() -> None:
    assert set(KEYWORDS.values()) == RESERVED
    assert {"ffe", "model", "true"} < RESERVED and "use" not in RESERVED


def test_no_internal_name_is_shown() -> None:
    for terminal in (*KEYWORDS, *SYMBOLS, *CLASSES):
        assert terminal not in english(terminal)


def test_expectations_read_as_a_sentence() -> None:
    assert expectation({"_RPAR", "_COMMA"}) == "`)` or `,`"
    assert expectation({"_COMMA", "PLUS", "MINUS", "STAR", "SLASH"}) == "`,`"
    assert expectation(()) == ""


def stored_text() -> str:
    """The text of the file beside the grammar."""
    made = Lark(grammar.grammar_text(), **grammar._OPTIONS)
    data, memo = made.memo_serialize([TerminalDef, Rule])
    stored = {"checksum": grammar._checksum(), "data": data, "memo": memo}
    return json.dumps(stored, separators=(",", ":")) + "\n"


def test_the_parser_beside_the_grammar_is_current(update_golden: bool) -> None:
    """States are numbered anew each time; how many there are, and the rules, say the rest."""
    path, text = ROOT / "grammar" / grammar.FILE, stored_text()
    made = json.loads(text)
    if update_golden and json.loads(path.read_text())["checksum"] != made["checksum"]:
        path.write_text(text, encoding="ascii")
    stored = json.loads(path.read_text(encoding="ascii"))
    assert stored["checksum"] == made["checksum"], (
        "pytest tests/unit/language/syntax --update-golden"
    )
    assert len(stored["data"]["parser"]["parser"]["states"]) == len(
        made["data"]["parser"]["parser"]["states"]
    )
    assert stored["memo"] == made["memo"]


@pytest.mark.parametrize("checksum", [0, None])
def test_a_stale_parser_is_not_used(monkeypatch: pytest.MonkeyPatch, checksum: int | None) -> None:
    monkeypatch.setattr(grammar, "_checksum", lambda: checksum)
    monkeypatch.setattr(Lark, "load", lambda stored: pytest.fail("the stale parser was loaded"))
    grammar.parser.cache_clear()
    try:
        with pytest.raises(SpecError):
            parse(SourceFile("a.ffe", "model"))
        assert parse(SourceFile("a.ffe", "ffe 1.0")).version is not None
    finally:
        grammar.parser.cache_clear()
