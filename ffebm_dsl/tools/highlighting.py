"""The lexer of ffe texts for Pygments: documentation pages, papers, terminals.

Pygments finds it by its entry point: ``pygmentize -l ffe spec.ffe``, or ``ffe`` as the
language of a code block in Sphinx or LaTeX's minted.
"""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups, words
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

from ffebm_dsl.language.registry import TABLES
from ffebm_dsl.language.syntax import RESERVED

TYPES = ("int", "real", "bool", "port")
_CONSTANTS = ("true", "false")
_DECLARING = "template|model|input|target|readout|block|feedforward|layer|param"
_ENTRIES = sorted({name for table in TABLES.values() for name in table})


class FfeLexer(RegexLexer):
    """Texts of the ffe language."""

    name = "ffe"
    aliases: ClassVar = ["ffe", "ffebm"]
    filenames: ClassVar = ["*.ffe"]
    mimetypes: ClassVar = ["text/x-ffe"]
    url = ""

    tokens: ClassVar = {
        "root": [
            (r"\s+", Whitespace),
            (r"##[^\n]*", String.Doc),
            (r"#[^\n]*", Comment.Single),
            (r'"[^"\n]*"', String.Double),
            (
                rf"\b({_DECLARING})\b(\s+)([A-Za-z_]\w*)",
                bygroups(Keyword.Declaration, Whitespace, Name.Variable),
            ),
            (
                r"\b(use)([ \t]+)([A-Za-z_][\w.-]*)([ \t]*)(>=)([ \t]*)([0-9.]+)",
                bygroups(
                    Keyword, Whitespace, Name.Namespace, Whitespace, Operator, Whitespace, Number
                ),
            ),
            (words(_CONSTANTS, prefix=r"\b", suffix=r"\b"), Keyword.Constant),
            (words(sorted(RESERVED), prefix=r"\b", suffix=r"\b"), Keyword),
            (words(TYPES, prefix=r"\b", suffix=r"\b"), Keyword.Type),
            (r"([A-Za-z_]\w*)(\s*)(=)", bygroups(Name.Attribute, Whitespace, Operator)),
            (words(_ENTRIES, prefix=r"\b", suffix=r"\b"), Name.Builtin),
            (r"[A-Za-z_]\w*", Name),
            (r"[0-9]+\.[0-9]+([eE][+-]?[0-9]+)?\b|[0-9]+[eE][+-]?[0-9]+\b", Number.Float),
            (r"[0-9]+\b", Number.Integer),
            (r"<->|->|\|>|[-+*/=]", Operator),
            (r"[{}()\[\]:,.]", Punctuation),
        ]
    }
