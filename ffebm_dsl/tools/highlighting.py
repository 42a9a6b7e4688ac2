"""The lexer of ffe texts for Pygments: documentation pages, papers, terminals.

Pygments finds it by its entry point: ``pygmentize -l ffe spec.ffe``, or ``ffe`` as the
language of a code block in Sphinx or LaTeX's minted. The words are those of the compiler.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pygments import token
from pygments.lexer import Lexer

from ffebm_dsl.language.registry import TABLES
from ffebm_dsl.language.syntax import Word, lex

TYPES = frozenset({"int", "real", "bool", "port"})
_ENTRIES = frozenset(name for table in TABLES.values() for name in table)
_DECLARING = frozenset(
    ["template", "model", "input", "target", "readout", "block", "feedforward", "layer", "param"],
)
_KINDS = {
    "number": token.Number,
    "string": token.String.Double,
    "symbol": token.Punctuation,
    "comment": token.Comment.Single,
    "doc comment": token.String.Doc,
    "use statement": token.Keyword.Namespace,
    "error": token.Error,
}


class FfeLexer(Lexer):
    """Texts of the ffe language."""

    name = "ffe"
    aliases: ClassVar = ["ffe", "ffebm"]
    filenames: ClassVar = ["*.ffe"]
    mimetypes: ClassVar = ["text/x-ffe"]
    url = ""

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, token._TokenType, str]]:
        """Place, kind and text of every word, and of the space between words."""
        at, before = 0, ""
        words = lex(text)
        for word, after in zip(words, [*words[1:], None], strict=True):
            if word.span.start > at:
                yield at, token.Whitespace, text[at : word.span.start]
            yield word.span.start, _kind(word, before, after.text if after else ""), word.text
            at, before = word.span.end, word.text
        if at < len(text):
            yield at, token.Whitespace, text[at:]


def _kind(word: Word, before: str, after: str) -> token._TokenType:
    if word.kind == "keyword":
        constant = word.text in ("true", "false")
        return token.Keyword.Constant if constant else token.Keyword
    if word.kind == "symbol" and word.text in ("<->", "->", "|>", "+", "-", "*", "/", "="):
        return token.Operator
    if word.kind != "name":
        return _KINDS[word.kind]
    if before in _DECLARING:
        return token.Name.Variable
    if word.text in TYPES:
        return token.Keyword.Type
    if after == "=":
        return token.Name.Attribute
    return token.Name.Builtin if word.text in _ENTRIES else token.Name
