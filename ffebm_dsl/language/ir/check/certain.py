"""What is surely wrong in a text that has syntax errors too.

The checks run on what recovery understood of the text, and only those faults are kept that
no missing or misread part of it can be the cause of: unknown ops, arguments out of range and
the like; unknown names only where no declaration can have been lost. Shapes, missing
statements, unused names and everything on a line that recovery changed stay unsaid until
the syntax is right.
"""

from __future__ import annotations

from collections.abc import Iterable

from ffebm_dsl.language.diagnostics import Diagnostic, SourceFile
from ffebm_dsl.language.syntax import Recovered, Token, lex

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
    faults = [d for d in found if d.code in (LOCAL if recovered.names_lost else LOCAL | OF_NAMES)]
    names = {s: _names(s) for s in {source, *(d.source for d in faults)}}
    damaged = {token.text for token in names[source] if token.line in lines}
    return tuple(
        d
        for d in faults
        if not (d.source is source and source.position(d.span.start)[0] in lines)
        and not any(_depends_on(w.text, damaged) for w in names[d.source] if _is_of(d, w))
    )


def _names(source: SourceFile) -> list[Token]:
    return [token for token in lex(source.text) if token.kind in ("name", "keyword")]


def _is_of(fault: Diagnostic, token: Token) -> bool:
    """Whether the fault is of that token; of an unknown op or key nothing else is the cause."""
    if fault.code in ("FFE1005", "FFE1006", "FFE1017"):
        return False
    return fault.span.start <= token.span.start and token.span.end <= fault.span.end


def _depends_on(name: str, damaged: set[str]) -> bool:
    """Whether a line that was changed may declare the name, perhaps misspelt."""
    return any(token.startswith(name) or name.startswith(token) for token in damaged)
