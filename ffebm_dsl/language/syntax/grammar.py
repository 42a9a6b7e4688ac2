"""The grammar as Lark's parser, its terminals in English, and the versions of the language.

Lark takes a quarter of a second to generate the parser, and 10 ms to load it: so it is kept
beside the grammar, as plain data, with a checksum of what it was generated from. If
the grammar or the installed version of Lark differ, the parser is generated again: a stale
file costs time and nothing else. ``pytest tests/unit/language/syntax --update-golden`` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from zlib import crc32

import lark

from ffebm_dsl.language.syntax.nodes import NODES

VERSIONS = ("1.0", "1.1")
"""Those that this compiler reads, in order."""

VERSION = VERSIONS[-1]
"""The present one: of a text that states none."""


FILE = "ffe.parser.json"

END = "$END"
"""The terminal of the end of a text."""

_OPTIONS: Mapping[str, Any] = {
    "parser": "lalr",
    "lexer": "basic",
    "start": ["start", "override", "aside"],
    # Nodes get all their words, as these give them their places.
    "keep_all_tokens": True,
    "maybe_placeholders": True,
}


def grammar_text() -> str:
    """The grammar in Lark's notation."""
    return files("ffebm_dsl.grammar").joinpath("ffe.lark").read_text(encoding="utf-8")


def _checksum() -> int:
    """Against mistakes, for which no secure one need be loaded."""
    return crc32(f"{lark.__version__}\n{_OPTIONS}\n{grammar_text()}".encode())


@lru_cache(maxsize=1)
def parser() -> lark.Lark:
    """The parser of specs (``start``) and overrides (``override``), which makes their AST."""
    try:
        text = files("ffebm_dsl.grammar").joinpath(FILE).read_text(encoding="ascii")
        stored = json.loads(text, object_pairs_hook=_with_numbers)
    except FileNotFoundError:
        stored = {}
    if stored.get("checksum") != _checksum():
        return lark.Lark(grammar_text(), transformer=NODES, **_OPTIONS)
    stored["data"]["options"]["transformer"] = NODES
    return lark.Lark.load(stored)


def _with_numbers(pairs: list[tuple[str, Any]]) -> dict[str | int, Any]:
    """A mapping of the file; JSON makes text of the numbers that Lark has as keys."""
    return {int(key) if key.isdigit() else key: value for key, value in pairs}


def _spellings() -> dict[str, str]:
    return {t.name: t.pattern.value for t in parser().terminals if t.pattern.type == "str"}


KEYWORDS: Mapping[str, str] = MappingProxyType(
    {name: text for name, text in _spellings().items() if text.isalpha()}
)
"""Terminal -> keyword."""

RESERVED: frozenset[str] = frozenset(KEYWORDS.values())
"""Words that cannot be declared as names."""

LATER: Mapping[str, str] = MappingProxyType(
    {"REQUIREMENT": "use", "_HARDWARE": "hardware", "_ON": "on"}
)
"""Terminal -> the word that it begins with, of words that came with 1.1 and can be names."""

SYMBOLS: Mapping[str, str] = MappingProxyType(
    {name: text for name, text in _spellings().items() if not text.isalpha()}
)
"""Terminal -> its characters."""

CLASSES: Mapping[str, str] = MappingProxyType(
    {
        **{terminal: f"`{word}`" for terminal, word in LATER.items()},
        "NAME": "a name",
        "INT": "a number",
        "REAL": "a number",
        "STRING": "a string",
        END: "the end of the text",
    }
)
"""Terminals with many spellings."""

_OPERATORS = frozenset({"PLUS", "MINUS", "STAR", "SLASH"})
_VALUE = frozenset({"NAME", "INT", "REAL", "STRING", "TRUE", "FALSE", "MINUS", "_LSQB", "_LPAR"})


def english(terminal: str) -> str:
    """The name of a terminal in messages: a quoted word or symbol, or a class such as `a name`."""
    if terminal in CLASSES:
        return CLASSES[terminal]
    return f"`{KEYWORDS.get(terminal) or SYMBOLS[terminal]}`"


def expectation(terminals: Iterable[str]) -> str:
    """One phrase for the terminals that are accepted at a place."""
    rest = set(terminals)
    words: list[str] = []
    if rest >= _VALUE:
        rest -= _VALUE
        words.append("a value")
    elif rest >= _OPERATORS:
        rest -= _OPERATORS
    words += sorted({english(t) for t in rest if t in CLASSES})
    words += sorted(english(t) for t in rest if t in KEYWORDS)
    words += sorted(english(t) for t in rest if t in SYMBOLS)
    if len(words) > 1:
        words = [*words[:-2], f"{words[-2]} or {words[-1]}"]
    return ", ".join(words)
