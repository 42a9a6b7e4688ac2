"""Text -> words, whatever the text: what recovery reads instead of the parser's own lexer.

The parser's lexer stops at the first character that no word can start with. This one makes
a word of it, so that the parser can be brought past it. On legal text both find the same
words; a test holds that.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ffebm_dsl.language.syntax.terminals import KEYWORDS, SYMBOLS

STRAY, OPEN_STRING, BAD_NUMBER = "stray", "open string", "bad number"
"""Kinds of words that the language has not."""

END = "$END"

_KEYWORD_TERMINALS = {word: terminal for terminal, word in KEYWORDS.items()}
_SYMBOL_TERMINALS = {symbol: terminal for terminal, symbol in SYMBOLS.items()}
_SYMBOLS = "|".join(re.escape(s) for s in sorted(_SYMBOL_TERMINALS, key=len, reverse=True))
_WORD = re.compile(
    r"(?P<skip>[ \t\f\r\n]+|\#[^\n]*)"
    r'|(?P<STRING>"[^"\n]*")'
    r"|(?P<REAL>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?\b|[0-9]+[eE][+-]?[0-9]+\b)"
    r"|(?P<INT>[0-9]+\b)"
    r"|(?P<REQUIREMENT>use[ \t]+[A-Za-z_][A-Za-z0-9._-]*[ \t]*>="
    r"[ \t]*[0-9]+(?:\.[0-9]+)*(?![\w.]))"
    r"|(?P<NAME>[A-Za-z_][A-Za-z0-9_]*)"
    rf"|(?P<symbol>{_SYMBOLS})"
    r'|(?P<open_string>"[^\n]*)'
    r"|(?P<bad_number>[0-9][A-Za-z0-9_.]*)"
    r"|(?P<stray>.)",
    re.DOTALL,
)
_FAULTY = {"open_string": OPEN_STRING, "bad_number": BAD_NUMBER, "stray": STRAY}


class Word(NamedTuple):
    """A word of a text: ``kind`` is a terminal of the grammar or a kind that it has not.

    ``leads`` where nothing but space stands before it on its line; ``indent`` is the number
    of characters in front of it there, or of its line where it does not lead.
    """

    kind: str
    text: str
    start: int
    end: int
    line: int
    leads: bool
    indent: int


def scan(text: str) -> list[Word]:
    """All words of ``text`` in order, without space and comments, and its end as the last."""
    words: list[Word] = []
    line, line_start, indent, last_line = 1, 0, 0, 0
    for match in _WORD.finditer(text):
        group, found = match.lastgroup or "", match.group()
        if group == "skip":
            if "\n" in found:
                line += found.count("\n")
                line_start = match.start() + found.rindex("\n") + 1
            continue
        leads = line != last_line
        if leads:
            indent = match.start() - line_start
        last_line = line
        words.append(Word(_kind(group, found), found, *match.span(), line, leads, indent))
    end = words[-1].end if words else 0
    words.append(Word(END, "", end, end, line, True, 0))
    return words


def _kind(group: str, found: str) -> str:
    if group == "NAME":
        return _KEYWORD_TERMINALS.get(found, "NAME")
    if group == "symbol":
        return _SYMBOL_TERMINALS[found]
    return _FAULTY.get(group, group)
