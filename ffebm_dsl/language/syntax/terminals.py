"""The grammar's terminals in English, so that no message shows an internal name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

KEYWORDS: Mapping[str, str] = MappingProxyType(
    {
        f"_{word.upper()}": word
        for word in (
            "ffe",
            "param",
            "in",
            "template",
            "model",
            "input",
            "target",
            "readout",
            "loss",
            "block",
            "feedforward",
            "relax",
            "gradient",
            "init",
            "out",
            "energy",
            "layer",
            "train",
        )
    }
    | {"TRUE": "true", "FALSE": "false"}
)
"""Terminal -> keyword."""

RESERVED: frozenset[str] = frozenset(KEYWORDS.values())
"""Words that cannot be declared as names."""

SYMBOLS: Mapping[str, str] = MappingProxyType(
    {
        "_BOTH": "<->",
        "_ARROW": "->",
        "_PIPE": "|>",
        "_LBRACE": "{",
        "_RBRACE": "}",
        "_LPAR": "(",
        "_RPAR": ")",
        "_LSQB": "[",
        "_RSQB": "]",
        "_COLON": ":",
        "_COMMA": ",",
        "_DOT": ".",
        "_EQUAL": "=",
        "PLUS": "+",
        "MINUS": "-",
        "STAR": "*",
        "SLASH": "/",
    }
)
"""Terminal -> its characters."""

CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "REQUIREMENT": "`use`",
        "NAME": "a name",
        "INT": "a number",
        "REAL": "a number",
        "STRING": "a string",
        "$END": "the end of the text",
    }
)
"""Terminals with many spellings."""

_OPERATORS = frozenset({"PLUS", "MINUS", "STAR", "SLASH"})
_VALUE = frozenset({"NAME", "INT", "REAL", "STRING", "TRUE", "FALSE", "MINUS", "_LSQB", "_LPAR"})


def english(terminal: str) -> str:
    """What a reader calls the terminal: a quoted word or symbol, or a class such as `a name`."""
    if terminal in CLASSES:
        return CLASSES[terminal]
    return f"`{KEYWORDS.get(terminal) or SYMBOLS[terminal]}`"


def expectation(terminals: Iterable[str]) -> str:
    """One phrase for all terminals that could stand at a place, or ``""`` for too many."""
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
