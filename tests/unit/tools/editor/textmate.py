"""The TextMate grammar of the VS Code extension, from the keywords and the registries.

``pytest tests/unit/tools/editor --update-golden`` writes it; a test ensures that it is current.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ffebm_dsl.language.ir.resolve.params import VALUE_TYPES
from ffebm_dsl.language.registry import TABLES
from ffebm_dsl.language.syntax import RESERVED
from ffebm_dsl.language.syntax.declarations import DECLARING

FILE = Path(__file__).parents[4] / "editors/vscode/syntaxes/ffe.tmLanguage.json"
CONSTANTS = frozenset({"true", "false"})
NAME = r"[A-Za-z_][A-Za-z0-9_]*"
PACKAGE = r"[A-Za-z_][A-Za-z0-9._-]*"

_DECLARING = {*DECLARING.values()} - {"formal", "out"}


def make_grammar() -> str:
    """The text of the grammar's file."""
    grammar = {
        "information_for_contributors": "Written by tests/unit/tools/editor/textmate.py.",
        "name": "ffe",
        "scopeName": "source.ffe",
        "fileTypes": ["ffe"],
        "patterns": _patterns(),
    }
    return json.dumps(grammar, indent=2) + "\n"


def _patterns() -> list[dict[str, Any]]:
    """In the order in which they are tried at each place."""
    entries = {name for table in TABLES.values() for name in table.visible()}
    return [
        {"name": "comment.line.documentation.ffe", "match": "##.*$"},
        {"name": "comment.line.number-sign.ffe", "match": "#.*$"},
        {"name": "string.quoted.double.ffe", "match": '"[^"\\n]*"'},
        {"name": "invalid.illegal.unclosed-string.ffe", "match": '"[^"\\n]*$'},
        {
            "match": rf"{_words(_DECLARING)}\s+({NAME})",
            "captures": {
                "1": {"name": "storage.type.ffe"},
                "2": {"name": "entity.name.type.ffe"},
            },
        },
        {
            "match": rf"\b(use)\s+({PACKAGE})(?=\s*>=)",
            "captures": {
                "1": {"name": "keyword.control.ffe"},
                "2": {"name": "entity.name.type.ffe"},
            },
        },
        {
            "match": rf"\b(hardware|on)\s+({NAME})(?=\s*\{{)",
            "captures": {
                "1": {"name": "keyword.control.ffe"},
                "2": {"name": "entity.name.type.ffe"},
            },
        },
        {"name": "constant.language.ffe", "match": _words(CONSTANTS)},
        {"name": "keyword.control.ffe", "match": _words(RESERVED - CONSTANTS)},
        {"name": "support.type.ffe", "match": _words((*VALUE_TYPES, "port"))},
        {"name": "variable.parameter.ffe", "match": rf"\b{NAME}(?=\s*=)"},
        {"name": "support.function.ffe", "match": _words(entries)},
        {
            "name": "constant.numeric.ffe",
            "match": r"\b[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\b",
        },
        {"name": "keyword.operator.coupling.ffe", "match": "<->"},
        {"name": "keyword.operator.drive.ffe", "match": "->"},
        {"name": "keyword.operator.pipe.ffe", "match": r"\|>"},
        {"name": "keyword.operator.ffe", "match": r"[-+*/=]"},
    ]


def _words(names: Iterable[str]) -> str:
    return rf"\b({'|'.join(sorted(names))})\b"
