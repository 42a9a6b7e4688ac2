"""What parsing gives where a text may be faulty."""

from __future__ import annotations

from typing import NamedTuple

from ffebm_dsl.language.diagnostics import Diagnostic, Span
from ffebm_dsl.language.syntax.ast import Program


class Recovered(NamedTuple):
    """What was understood of a text, and every syntax error in it.

    ``program`` is the AST of the text without its faulty parts, with what they lack put in;
    None where the text was given up. ``damaged`` are the places that were changed or left
    out: what the program says there is not what the text says. Where ``names_lost``, a name
    may have been declared there that the program does not declare.
    """

    program: Program | None
    diagnostics: tuple[Diagnostic, ...] = ()
    damaged: tuple[Span, ...] = ()
    names_lost: bool = False
