"""The parser's tables, worked out once and kept beside the grammar.

Building the LALR tables costs more than everything else that a static check does (0.2 s,
0.6 s where interegular is installed, against 0.02 s to read them). The tables carry the
grammar's checksum and Lark's version; where either differs from what is installed, the
parser is built from the grammar instead, so a stale file costs time and nothing else.

``python -m ffebm_dsl.syntax.tables`` writes the file; a test holds it current.
"""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

STARTS = ("start", "override")
_FILE = "ffe.tables.json"


def grammar_text() -> str:
    """The grammar in Lark's notation."""
    return files("ffebm_dsl.grammar").joinpath("ffe.lark").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def parser() -> lark.Lark:
    """The parser, from the tables where they are current."""
    tables = _read_tables()
    if tables.get("made_from") == _made_from():
        return lark.Lark.load(tables)
    return build_parser()


def build_parser(lexer: Literal["contextual", "basic"] = "contextual") -> lark.Lark:
    """The parser, from the grammar; a ``basic`` lexer knows keywords wherever they stand."""
    return lark.Lark(
        grammar_text(),
        parser="lalr",
        lexer=lexer,
        start=list(STARTS),
        propagate_positions=True,
        maybe_placeholders=True,
    )


def make_tables() -> str:
    """The text of the tables' file."""
    data, memo = build_parser().memo_serialize([TerminalDef, Rule])
    tables = {"made_from": _made_from(), "data": data, "memo": memo}
    return json.dumps(tables, separators=(",", ":")) + "\n"


def _made_from() -> dict[str, str]:
    checksum = sha256(grammar_text().encode()).hexdigest()
    return {"lark": lark.__version__, "grammar_sha256": checksum}


def _read_tables() -> dict[str, Any]:
    file = files("ffebm_dsl.grammar").joinpath(_FILE)
    if not file.is_file():
        return {}
    tables: dict[str, Any] = json.loads(file.read_text(encoding="ascii"), object_hook=_whole_keys)
    return tables


def _whole_keys(entries: dict[str, Any]) -> dict[Any, Any]:
    """Numbers as keys again: JSON knows only strings."""
    if all(key.isdigit() for key in entries):
        return {int(key): value for key, value in entries.items()}
    return entries


if __name__ == "__main__":
    with Path(str(files("ffebm_dsl.grammar").joinpath(_FILE))).open("w", encoding="ascii") as out:
        out.write(make_tables())
