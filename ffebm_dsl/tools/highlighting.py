"""A Pygments lexer for ffe texts, for documentation pages, papers and terminals.

Pygments finds it by its entry point: ``pygmentize -l ffe spec.ffe``, or ``ffe`` as the
language of a code block in Sphinx or LaTeX's minted. The keywords are those of the compiler.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pygments import token as kinds
from pygments.lexer import Lexer

from ffebm_dsl.language.registry import CONNECTIONS, TABLES
from ffebm_dsl.language.syntax import Token, lex

TYPES = frozenset({"int", "real", "bool", "port"})
# Connections are written as arrows, not by their names.
_ENTRIES = frozenset(
    name for table in TABLES.values() if table is not CONNECTIONS for name in table.visible()
)
_DECLARING = frozenset(
    ["template", "model", "input", "target", "readout", "block", "feedforward", "layer", "param"],
)
_KINDS = {
    "number": kinds.Number,
    "string": kinds.String.Double,
    "symbol": kinds.Punctuation,
    "comment": kinds.Comment.Single,
    "doc comment": kinds.String.Doc,
    "use statement": kinds.Keyword.Namespace,
    "error": kinds.Error,
}


class FfeLexer(Lexer):
    """Lexer of the ffe language."""

    name = "ffe"
    aliases: ClassVar = ["ffe", "ffebm"]
    filenames: ClassVar = ["*.ffe"]
    mimetypes: ClassVar = ["text/x-ffe"]
    url = ""

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, kinds._TokenType, str]]:
        """Position, type and text of every token, and of the space between tokens."""
        at, before = 0, ""
        words = lex(text)
        for word, after in zip(words, [*words[1:], None], strict=True):
            if word.span.start > at:
                yield at, kinds.Whitespace, text[at : word.span.start]
            yield word.span.start, _kind(word, before, after.text if after else ""), word.text
            at, before = word.span.end, word.text
        if at < len(text):
            yield at, kinds.Whitespace, text[at:]


def _kind(word: Token, before: str, after: str) -> kinds._TokenType:
    if word.kind == "keyword":
        constant = word.text in ("true", "false")
        return kinds.Keyword.Constant if constant else kinds.Keyword
    if word.kind == "symbol" and word.text in ("<->", "->", "|>", "+", "-", "*", "/", "="):
        return kinds.Operator
    if word.kind != "name":
        return _KINDS[word.kind]
    if before in _DECLARING:
        return kinds.Name.Variable
    if word.text in TYPES:
        return kinds.Keyword.Type
    if after == "=":
        return kinds.Name.Attribute
    return kinds.Name.Builtin if word.text in _ENTRIES else kinds.Name
