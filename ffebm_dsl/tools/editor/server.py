"""``ffebm lsp``: the functions of this package behind the Language Server Protocol.

Documents come whole with every change; each version is analysed once. Diagnostics are sent
when there was no change for a moment, and carry the version that they are about.
"""

from __future__ import annotations

import asyncio

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.tools.editor.analysis import Analysis, analyse, declaration_at
from ffebm_dsl.tools.editor.answers import (
    OpenDocument,
    completion_item,
    diagnostic,
    quick_fix,
    symbols,
)
from ffebm_dsl.tools.editor.complete import complete
from ffebm_dsl.tools.editor.hover import hover

REST = 0.15
"""Seconds without a change after which diagnostics are sent."""

TRIGGERS = [".", "(", "=", ">", ":"]
"""Characters after which an editor requests completions automatically."""


_AtPlace = lsp.HoverParams | lsp.CompletionParams | lsp.DefinitionParams


class FfebmServer(LanguageServer):
    """Keeps the last version of each open document that something was asked about."""

    def __init__(self, version: str) -> None:
        super().__init__("ffebm", version, text_document_sync_kind=lsp.TextDocumentSyncKind.Full)
        self.documents: dict[str, tuple[int | None, OpenDocument]] = {}

    def document(self, uri: str) -> OpenDocument:
        text = self.workspace.get_text_document(uri)
        known = self.documents.get(uri)
        if known is not None and known[0] == text.version and known[1].text == text.source:
            return known[1]
        analysis = analyse(SourceFile(text.filename or uri, text.source))
        encoding = lsp.PositionEncodingKind(self.workspace.position_encoding or "utf-16").value
        document = OpenDocument(uri, analysis, encoding)
        self.documents[uri] = text.version, document
        return document


def make_server(version: str) -> FfebmServer:
    """A server that is not running yet."""
    server = FfebmServer(version)
    _add_diagnostics(server)
    _add_questions(server)
    _add_changes(server)
    return server


def _add_diagnostics(server: FfebmServer) -> None:
    def publish(uri: str) -> None:
        document = server.document(uri)
        found = [diagnostic(d, document) for d in document.analysis.diagnostics]
        number = server.workspace.get_text_document(uri).version
        server.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(uri=uri, diagnostics=found, version=number)
        )

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: lsp.DidOpenTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def did_change(params: lsp.DidChangeTextDocumentParams) -> None:
        uri, changed = params.text_document.uri, params.text_document.version
        await asyncio.sleep(REST)
        # One that was closed meanwhile has no version.
        if server.workspace.get_text_document(uri).version == changed:
            publish(uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: lsp.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.documents.pop(uri, None)
        server.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(uri=uri, diagnostics=[])
        )


def _add_questions(server: FfebmServer) -> None:
    def asked(params: _AtPlace) -> tuple[OpenDocument, Analysis, int]:
        document = server.document(params.text_document.uri)
        return document, document.analysis, document.offset(params.position)

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def on_hover(params: lsp.HoverParams) -> lsp.Hover | None:
        document, analysis, offset = asked(params)
        found = hover(analysis, offset)
        if found is None:
            return None
        words = lsp.MarkupContent(lsp.MarkupKind.Markdown, found.text)
        return lsp.Hover(words, document.range(found.span))

    @server.feature(
        lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=TRIGGERS)
    )
    def on_completion(params: lsp.CompletionParams) -> list[lsp.CompletionItem]:
        document, analysis, offset = asked(params)
        items = complete(analysis, offset)
        return [completion_item(item, i, document) for i, item in enumerate(items)]

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def on_definition(params: lsp.DefinitionParams) -> lsp.Location | None:
        document, analysis, offset = asked(params)
        found = declaration_at(analysis, offset)
        return lsp.Location(document.uri, document.range(found.span)) if found else None

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def on_symbols(params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        document = server.document(params.text_document.uri)
        program = document.analysis.program
        return [*symbols(program.items, document)] if program else []


def _add_changes(server: FfebmServer) -> None:
    @server.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION,
        lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix]),
    )
    def on_code_action(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        document = server.document(params.text_document.uri)
        start, end = map(document.offset, (params.range.start, params.range.end))
        return [
            quick_fix(d, d.fix, document)
            for d in document.analysis.diagnostics
            if d.fix is not None and d.span.start <= end and start <= d.span.end
        ]

    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def on_formatting(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
        return server.document(params.text_document.uri).formatted()
