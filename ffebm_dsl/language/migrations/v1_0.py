"""To version 1.0, the first one: all that a text may lack is the line that says so."""

from __future__ import annotations

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.syntax import code_tokens, lex


def state_version(source: SourceFile) -> str:
    """The text with ``ffe 1.0`` as its first line; one that states a version as it is."""
    if code_tokens(lex(source.text))[0].type == "_FFE":
        return source.text
    end = "\r\n" if "\r\n" in source.text else "\n"
    return f"ffe 1.0{end}{source.text}"
