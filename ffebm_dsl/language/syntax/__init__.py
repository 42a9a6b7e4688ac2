"""The surface of the language: text -> AST -> canonical text. No meaning beyond the grammar."""

from ffebm_dsl.language.syntax.format import format_source
from ffebm_dsl.language.syntax.grammar import RESERVED, VERSION, VERSIONS
from ffebm_dsl.language.syntax.lexer import Token, code_tokens, lex
from ffebm_dsl.language.syntax.parse import Recovered, parse, parse_override, parse_with_recovery
from ffebm_dsl.language.syntax.reading import read_source

__all__ = [
    "RESERVED",
    "VERSION",
    "VERSIONS",
    "Recovered",
    "Token",
    "code_tokens",
    "format_source",
    "lex",
    "parse",
    "parse_override",
    "parse_with_recovery",
    "read_source",
]
