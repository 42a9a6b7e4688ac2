"""Text -> tokens, whatever the text: the lexer that Lark makes of the grammar's terminals.

It never stops: what is no word of the language becomes a token of a kind that no rule has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Span


class Token(NamedTuple):
    """A token of a text; ``type`` is its terminal in the grammar.

    ``leads`` says that it is the first token of its line, and ``indent`` is how many characters
    the line has in front of its first token.
    """

    type: str
    text: str
    span: Span
    line: int
    leads: bool
    indent: int

    @property
    def kind(self) -> str:
        """Its kind in English."""
        if self.type == "COMMENT":
            return "doc comment" if self.text.startswith("##") else "comment"
        return _KINDS.get(self.type) or ("keyword" if self.text.isalpha() else "symbol")


_KINDS = {
    "NAME": "name",
    "INT": "number",
    "REAL": "number",
    "STRING": "string",
    "REQUIREMENT": "use statement",
    "OPEN_STRING": "error",
    "BAD_NUMBER": "error",
    "STRAY": "error",
}


def lex(text: str) -> list[Token]:
    """All tokens of ``text`` in order, comments too, without the space behind them."""
    from ffebm_dsl.language.syntax.grammar import parser

    tokens: list[Token] = []
    line = indent = 0
    reading = parser().parse_interactive(text, start="start")
    for token in reading.lexer_thread.lex(None):  # type: ignore[no-untyped-call]
        leads = token.line != line
        if leads:
            line, indent = token.line, token.column - 1
        found = token.value.rstrip() if token.type == "COMMENT" else token.value
        span = Span(token.start_pos, token.start_pos + len(found))
        tokens.append(Token(token.type, found, span, line, leads, indent))
    return tokens


def code_tokens(tokens: Sequence[Token]) -> list[Token]:
    """``tokens`` without comments, followed by the token that ends the text."""
    code = [token for token in tokens if token.type != "COMMENT"]
    end = code[-1].span.end if code else 0
    last_line = tokens[-1].line + 1 if tokens else 1
    return [*code, Token("$END", "", Span(end, end), last_line, True, 0)]
