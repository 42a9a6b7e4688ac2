"""Answers of this package in the types of the Language Server Protocol."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from lsprotocol import types as lsp
from pygls.workspace import PositionCodec

from ffebm_dsl.language.diagnostics import Diagnostic, Fix, Severity, Span, SpecError, in_words
from ffebm_dsl.language.syntax import ast
from ffebm_dsl.language.syntax.declarations import DECLARING
from ffebm_dsl.tools.editor.analysis import Analysis
from ffebm_dsl.tools.editor.complete import Completion

SEVERITIES = {
    Severity.ERROR: lsp.DiagnosticSeverity.Error,
    Severity.WARNING: lsp.DiagnosticSeverity.Warning,
}

UNUSED = frozenset({"FFEW002", "FFEW003", "FFEW004", "FFEW005"})
"""Codes for unused names, which editors show faded."""

SYMBOL_KINDS = {
    "use": lsp.SymbolKind.Package,
    "param": lsp.SymbolKind.Constant,
    "template": lsp.SymbolKind.Class,
    "hardware": lsp.SymbolKind.Struct,
    "model": lsp.SymbolKind.Module,
    "block": lsp.SymbolKind.Object,
    "layer": lsp.SymbolKind.Field,
    "feedforward": lsp.SymbolKind.Function,
    "readout": lsp.SymbolKind.Function,
    "out": lsp.SymbolKind.Interface,
}


_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class OpenDocument:
    """An open document: what is known of it, and its places as its client counts them.

    The protocol counts lines and columns from 0, and columns in the code units that client and
    server agreed on: UTF-16 unless they chose another. A lone carriage return ends a line too.
    """

    uri: str
    analysis: Analysis
    encoding: str

    @property
    def text(self) -> str:
        return self.analysis.source.text

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_END.finditer(self.text))]

    def _units(self, words: str) -> int:
        units: int = PositionCodec(self.encoding).client_num_units(words)
        return units

    def position(self, offset: int) -> lsp.Position:
        """Line and column of an offset."""
        line = bisect_right(self._starts, offset) - 1
        return lsp.Position(line, self._units(self.text[self._starts[line] : offset]))

    def range(self, span: Span) -> lsp.Range:
        return lsp.Range(self.position(span.start), self.position(span.end))

    def offset(self, place: lsp.Position) -> int:
        """The offset of a place; past the end of a line or of the text, that end."""
        if place.line >= len(self._starts):
            return len(self.text)
        start = self._starts[place.line]
        words = _LINE_END.split(self.text[start:], maxsplit=1)[0]
        before = accumulate(map(self._units, words), initial=0)
        reached = (length for length, units in enumerate(before) if units >= place.character)
        return start + next(reached, len(words))

    def formatted(self) -> list[lsp.TextEdit] | None:
        """The edit that lays the text out; None for a text with syntax errors."""
        from ffebm_dsl.language.syntax import format_source

        try:
            text = format_source(self.analysis.source)
        except SpecError:
            return None
        if text == self.text:
            return []
        return [lsp.TextEdit(self.range(Span(0, len(self.text))), text)]


def diagnostic(found: Diagnostic, document: OpenDocument) -> lsp.Diagnostic:
    """A diagnostic with its notes and help in the message, its labels as related places."""
    related = [
        lsp.DiagnosticRelatedInformation(
            lsp.Location(document.uri, document.range(label.span)), label.text
        )
        for label in found.labels
    ]
    return lsp.Diagnostic(
        range=document.range(found.span),
        message=in_words(found),
        severity=SEVERITIES[found.severity],
        code=found.code,
        source="ffebm",
        tags=[lsp.DiagnosticTag.Unnecessary] if found.code in UNUSED else None,
        related_information=related or None,
    )


def quick_fix(found: Diagnostic, fix: Fix, document: OpenDocument) -> lsp.CodeAction:
    edits = [lsp.TextEdit(document.range(edit.span), edit.text) for edit in fix.edits]
    return lsp.CodeAction(
        title=f"{found.code}: {fix.title}",
        kind=lsp.CodeActionKind.QuickFix,
        diagnostics=[diagnostic(found, document)],
        is_preferred=True,
        edit=lsp.WorkspaceEdit(changes={document.uri: edits}),
    )


def completion_item(item: Completion, position: int, document: OpenDocument) -> lsp.CompletionItem:
    """``position`` keeps the order: editors sort by it."""
    return lsp.CompletionItem(
        label=item.label,
        kind=item.kind,
        detail=item.detail or None,
        documentation=lsp.MarkupContent(lsp.MarkupKind.Markdown, item.doc) if item.doc else None,
        sort_text=f"{position:04}",
        text_edit=lsp.TextEdit(document.range(item.span), item.insert),
    )


def symbols(statements: Iterable[Any], document: OpenDocument) -> Iterator[lsp.DocumentSymbol]:
    """The declarations of a text, nested as written, without the arguments of templates.

    ``detail`` is the keyword that declares one.
    """
    for node in statements:
        inner = [*symbols(getattr(node, "statements", ()), document)]
        keyword, name = DECLARING.get(type(node), ""), getattr(node, "name", None)
        if isinstance(node, ast.Use):
            keyword, name = "use", node.package
        if keyword and name is not None:
            made_of = f" = {node.template.name.text}" if isinstance(node, ast.Instance) else ""
            yield lsp.DocumentSymbol(
                name=name.text,
                detail=keyword + made_of,
                kind=SYMBOL_KINDS.get(keyword, lsp.SymbolKind.Variable),
                range=document.range(node.span),
                selection_range=document.range(name.span),
                children=inner,
            )
        else:
            yield from inner
