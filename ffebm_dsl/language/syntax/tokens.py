"""Text -> tokens, for whoever looks at texts that need not parse: editors, ``ffebm show``.

The parser has a lexer of its own, which stops where nothing fits. This one never stops:
what begins no token becomes a token of kind ERROR. On texts that parse the two agree (a
test holds it).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax.terminals import RESERVED, SYMBOLS


class TokenKind(StrEnum):
    KEYWORD = "keyword"
    USE = "use statement"
    NAME = "name"
    NUMBER = "number"
    STRING = "string"
    SYMBOL = "symbol"
    COMMENT = "comment"
    DOC = "doc comment"
    ERROR = "error"


class Token(NamedTuple):
    kind: TokenKind
    span: Span
    text: str


_SYMBOLS = "|".join(re.escape(s) for s in sorted(SYMBOLS.values(), key=len, reverse=True))
_TOKEN = re.compile(
    rf"""(?P<DOC>\#\#[^\n]*)
    | (?P<COMMENT>\#[^\n]*)
    | (?P<STRING>"[^"\n]*")
    | (?P<USE>use[ \t]+[A-Za-z_][A-Za-z0-9._-]*[ \t]*>=[ \t]*[0-9]+(?:\.[0-9]+)*(?![\w.]))
    | (?P<NAME>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<NUMBER>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\b)
    | (?P<SYMBOL>{_SYMBOLS})
    | (?P<ERROR>"[^\n]*|[0-9][A-Za-z0-9_.]*|[^\s])""",
    re.VERBOSE,
)


def find_tokens(text: str) -> tuple[Token, ...]:
    """All tokens of ``text`` in order, comments too; white space is between them."""
    return tuple(_token(match) for match in _TOKEN.finditer(text))


def _token(match: re.Match[str]) -> Token:
    words = match.group()
    kind = TokenKind[match.lastgroup or "ERROR"]
    if kind is TokenKind.NAME and words in RESERVED:
        kind = TokenKind.KEYWORD
    if kind in (TokenKind.COMMENT, TokenKind.DOC):
        words = words.rstrip()
    return Token(kind, Span(match.start(), match.start() + len(words)), words)
