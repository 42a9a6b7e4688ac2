"""The result of a stage of the compiler as indented text: for ``ffebm show --after``.

One line per node: its class, its place as ``line:column-line:column``, its plain fields.
Fields that hold nodes follow, indented. Every field is shown, so that two results with
equal outlines are equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from ffebm_dsl.language.diagnostics import SourceFile, Span
from ffebm_dsl.language.ir.resolve.scope import show
from ffebm_dsl.language.syntax import ast, lex


def outline(node: Any, source: SourceFile) -> str:
    """A program, a resolved spec or an IR, whose places are those of ``source``."""
    return "\n".join(_lines(node, source, "")) + "\n"


def outline_tokens(source: SourceFile) -> str:
    """One line per token: its place, its kind, its text."""
    rows = [(_place(t.span, source).partition("-")[0], t.kind, t.text) for t in lex(source.text)]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    lines = (f"{at:<{widths[0]}}  {kind:<{widths[1]}}  {text}" for at, kind, text in rows)
    return "\n".join(lines) + "\n"


def _lines(node: Any, source: SourceFile, head: str) -> Iterator[str]:
    """``node`` after ``head`` (its field's name, indented), and its parts below it."""
    parts = dict(_fields(node))
    place = f" {_place(parts.pop('span'), source)}" if "span" in parts else ""
    plain = "".join(f" {k}={_inline(v, source)}" for k, v in parts.items() if not _nested(v))
    indent = " " * (len(head) - len(head.lstrip()) + 2)
    yield f"{head}{type(node).__name__}{place}{plain}"
    for name, value in parts.items():
        if not _nested(value):
            continue
        if _is_node(value):
            yield from _lines(value, source, f"{indent}{name}: ")
            continue
        yield f"{indent}{name}:"
        entries = value.items() if isinstance(value, Mapping) else ((None, v) for v in value)
        for key, entry in entries:
            prefix = f"{indent}  {key}: " if key else f"{indent}  "
            if _is_node(entry):
                yield from _lines(entry, source, prefix)
            else:
                yield f"{prefix}{_inline(entry, source)}"


def _fields(node: Any) -> Iterator[tuple[str, Any]]:
    names = node._fields if hasattr(node, "_fields") else (field.name for field in fields(node))
    return ((name, getattr(node, name)) for name in names)


_SHORT = (ast.Ident, ast.Reference, ast.Number, SourceFile, Span)
"""Nodes that are shown in the line of the node they belong to."""


def _is_node(value: Any) -> bool:
    return not isinstance(value, _SHORT) and (hasattr(value, "_fields") or is_dataclass(value))


def _nested(value: Any) -> bool:
    """Whether a field's value takes lines of its own."""
    if isinstance(value, Mapping):
        return any(map(_nested, value.values()))
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return any(map(_nested, value))
    return _is_node(value)


def _inline(value: Any, source: SourceFile) -> str:
    if isinstance(value, Span):
        return _place(value, source)
    if isinstance(value, SourceFile):
        return value.name
    if isinstance(value, ast.Reference):
        return f"{value}@{_place(value.span, source)}"
    if isinstance(value, ast.Ident | ast.Number):
        return f"{value.text}@{_place(value.span, source)}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}={_inline(v, source)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple):
        return f"[{', '.join(_inline(entry, source) for entry in value)}]"
    if isinstance(value, str):
        return value if value.isidentifier() else json.dumps(value, ensure_ascii=False)
    return "none" if value is None else show(value)


def _place(span: Span, source: SourceFile) -> str:
    if not 0 <= span.start <= len(source.text):
        return "outside"
    return "{}:{}-{}:{}".format(*source.positions(span))
