"""Fixes that need to know how a call or an arrow is written.

None if there are comments inside what would be rewritten: they would be lost, or could hide
where a bracket closes.
"""

from __future__ import annotations

from ffebm_dsl.language.diagnostics import Fix, SourceFile, Span
from ffebm_dsl.language.diagnostics.fix import insert, replace
from ffebm_dsl.language.ir.resolve.bind import BoundCall
from ffebm_dsl.language.syntax import ast


def set_argument(call: BoundCall, name: str, value: str, source: SourceFile) -> Fix | None:
    """Give an argument another value: in place if it is given, else as the last one."""
    if name in call.places:
        place = call.places[name]
        named = _written(place, source).startswith(name)
        return replace(place, f"{name}={value}" if named else value)
    written = _written(call.span, source)
    if "#" in written:
        return None
    if not written.endswith(")"):
        return insert(call.span.end, f"({name}={value})")
    comma = "" if written[:-1].rstrip().endswith(("(", ",")) else ", "
    added = insert(call.span.end - 1, f"{comma}{name}={value}")
    return added._replace(title=f"add `{name}={value}`")


def set_name(call: BoundCall, name: str) -> Fix:
    """Call another entry, with the same arguments."""
    return replace(Span(call.span.start, call.span.start + len(call.name)), name)


def set_arrow(
    statement: ast.DriveStatement | ast.CouplingStatement, arrow: str, source: SourceFile
) -> Fix | None:
    """Write the other arrow between the ends of a drive or coupling."""
    between = Span(statement.source.span.end, statement.target.span.start)
    written = _written(between, source)
    if "#" in written:
        return None
    start = between.start + len(written) - len(written.lstrip())
    return replace(Span(start, start + len(written.strip())), arrow)


def rewrite(span: Span, text: str, source: SourceFile) -> Fix | None:
    """Write ``text`` for a whole statement."""
    return None if "#" in _written(span, source) else replace(span, text)


def _written(span: Span, source: SourceFile) -> str:
    return source.text[span.start : span.end]
