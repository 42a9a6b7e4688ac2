"""To version 1.1, which only adds: all that changes is the number in the version line."""

from __future__ import annotations

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.syntax.tokens import TokenKind, find_tokens


def state_1_1(source: SourceFile) -> str:
    """The text with ``1.1`` as the number in its version line."""
    words = (
        t for t in find_tokens(source.text) if t.kind not in (TokenKind.COMMENT, TokenKind.DOC)
    )
    number = next((t for t in words if t.kind is TokenKind.NUMBER), None)
    if number is None:
        return source.text
    return f"{source.text[: number.span.start]}1.1{source.text[number.span.end :]}"
