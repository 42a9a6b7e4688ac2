"""What is surely wrong in a text that has syntax errors too.

The checks run on what recovery understood of the text, and only those faults are kept that
no missing or misread part of it can be the cause of: unknown ops, arguments out of range and
the like; unknown names only where no declaration can have been lost. Shapes, missing
statements, unused names and everything on a line that recovery changed stay unsaid until
the syntax is right.
"""

from __future__ import annotations

from collections.abc import Iterable

from ffebm_dsl.language.diagnostics import Diagnostic
from ffebm_dsl.language.syntax import Recovered

LOCAL = frozenset(
    {
        "FFE0007",
        "FFE1004",
        "FFE1005",
        "FFE1006",
        "FFE1007",
        "FFE1008",
        "FFE1009",
        "FFE1010",
        "FFE1012",
        "FFE1017",
    }
)
"""Faults of one call or literal, independent of the text around it."""

OF_NAMES = frozenset({"FFE1001", "FFE1002", "FFE1003", "FFE1013", "FFE1018"})
"""Faults of a name, certain where every declaration is known."""


def certain_faults(recovered: Recovered, found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Those of ``found`` that no syntax error of the text can have caused."""
    if not recovered.diagnostics:
        return tuple(found)
    source = recovered.diagnostics[0].source
    places = [d.span for d in recovered.diagnostics] + [*recovered.damaged]
    lines = {source.position(span.start)[0] for span in places}
    known = LOCAL if recovered.names_lost else LOCAL | OF_NAMES
    faults = (d for d in found if d.code in known)
    return tuple(
        d for d in faults if d.source is not source or source.position(d.span.start)[0] not in lines
    )
