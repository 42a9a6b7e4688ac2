"""The surface of the language: text -> AST. Knows no meaning beyond the grammar."""

from ffebm_dsl.syntax.parse import parse, parse_override
from ffebm_dsl.syntax.terminals import RESERVED

__all__ = ["RESERVED", "parse", "parse_override"]
