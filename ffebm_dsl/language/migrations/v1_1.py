"""To version 1.1, which only adds: all that changes is the number in the version line."""

from __future__ import annotations

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.syntax import code_tokens, lex


def state_1_1(source: SourceFile) -> str:
    """The text with ``1.1`` as the number in its version line."""
    number = code_tokens(lex(source.text))[1]
    if number.type != "REAL":
        return source.text
    return f"{source.text[: number.span.start]}1.1{source.text[number.span.end :]}"
