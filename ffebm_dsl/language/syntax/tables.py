"""The parser's LALR tables, worked out from the grammar once and kept beside it.

Working them out costs more than everything else that a static check does, and takes Lark;
reading them takes a millisecond and nothing but the standard library. They carry the
grammar's checksum: where it is not that of the grammar that is installed, they are worked out
again, so a stale file costs time and nothing else.

``python -m ffebm_dsl.language.syntax.generate`` writes the file; a test holds it current.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pkgutil import get_data
from typing import Any, NamedTuple
from zlib import crc32

FILE = "ffe.tables.json"

PARTS, CHILD = "_", ""
"""What a rule makes that makes no node: parts of a node that is made later, and its only child."""


class Rule(NamedTuple):
    """A rule of the grammar, as the parser reduces by it.

    ``origin`` is what the last ``size`` symbols become. ``picks`` are the children of the node
    that is made of them: symbol ``i``, the parts of symbol ``-1 - i``, or nothing where the
    text leaves an optional part out. ``node`` names the node, or is one of the two words above.
    """

    origin: str
    size: int
    node: str
    picks: tuple[int | None, ...]


class Tables(NamedTuple):
    """What the parser does in a state at a terminal: go to another state, or reduce by the rule
    ``-1 - action``. At a rule's name, it goes to a state.

    ``starts`` and ``ends`` are the first and the last state by start rule.
    """

    rules: Sequence[Rule]
    states: Sequence[Mapping[str, int]]
    starts: Mapping[str, int]
    ends: Mapping[str, int]


def grammar_text() -> str:
    """The grammar in Lark's notation."""
    return _read("ffe.lark").decode("utf-8")


def checksum() -> int:
    """Of the grammar; one against mistakes, for which no secure one need be loaded."""
    return crc32(_read("ffe.lark"))


@lru_cache(maxsize=1)
def tables() -> Tables:
    """The tables of the grammar that is installed."""
    stored = _read_stored()
    if stored.get("grammar_crc32") != checksum():
        from ffebm_dsl.language.syntax.generate import make_tables

        return make_tables()
    rules = [Rule(origin, size, node, (*picks,)) for origin, size, node, picks in stored["rules"]]
    return Tables(rules, stored["states"], stored["starts"], stored["ends"])


def _read_stored() -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(_read(FILE) or b"{}")
    return stored


def _read(name: str) -> bytes:
    """A file beside the grammar; empty where there is none. By ``pkgutil``, as importing
    ``importlib.resources`` would take 10 ms of every start."""
    try:
        return get_data("ffebm_dsl.grammar", name) or b""
    except FileNotFoundError:
        return b""
