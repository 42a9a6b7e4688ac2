"""The surface of the language: text -> AST. Knows no meaning beyond the grammar."""

from ffebm_dsl.syntax.parse import Recovered, parse, parse_override, parse_with_recovery
from ffebm_dsl.syntax.terminals import RESERVED

__all__ = ["RESERVED", "Recovered", "parse", "parse_override", "parse_with_recovery"]
