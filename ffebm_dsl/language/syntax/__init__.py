"""The surface of the language: text -> AST -> canonical text. No meaning beyond the grammar."""

from ffebm_dsl.language.syntax.format import format_source
from ffebm_dsl.language.syntax.parse import parse, parse_override, parse_with_recovery
from ffebm_dsl.language.syntax.reading import decode_source, read_source
from ffebm_dsl.language.syntax.recovered import Recovered
from ffebm_dsl.language.syntax.terminals import RESERVED
from ffebm_dsl.language.syntax.version import VERSION, VERSIONS

__all__ = [
    "RESERVED",
    "VERSION",
    "VERSIONS",
    "Recovered",
    "decode_source",
    "format_source",
    "parse",
    "parse_override",
    "parse_with_recovery",
    "read_source",
]
