"""``ffebm lsp``, driven over stdio by a client of the protocol."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.syntax import format_source
from tests.unit.tools.editor.texts import TEXT

URI = "file:///specs/a%20spec.ffe"
EMOJI = "\U0001f600"
FAULTY = TEXT.replace("hard_sigmoid\n", f"hard_sigmoidd # {EMOJI}\n", 1).replace(
    "out = s2", f"# {EMOJI}{EMOJI}\n    out = sx2"
)


class Editor(LanguageClient):
    """An editor with one document: what it is told, and how it asks."""

    def __init__(self) -> None:
        super().__init__("tests", "1")
        self.told: asyncio.Queue[lsp.PublishDiagnosticsParams] = asyncio.Queue()

        @self.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def tell(params: lsp.PublishDiagnosticsParams) -> None:
            self.told.put_nowait(params)

    def open(self, text: str) -> None:
        item = lsp.TextDocumentItem(URI, "ffe", 1, text)
        self.text_document_did_open(lsp.DidOpenTextDocumentParams(item))

    def change(self, text: str, version: int) -> None:
        whole = lsp.TextDocumentContentChangeWholeDocument(text)
        named = lsp.VersionedTextDocumentIdentifier(version, URI)
        self.text_document_did_change(lsp.DidChangeTextDocumentParams(named, [whole]))

    async def news(self) -> lsp.PublishDiagnosticsParams:
        return await asyncio.wait_for(self.told.get(), 60)


DOCUMENT = lsp.TextDocumentIdentifier(URI)


def place_of(text: str, words: str, beyond: int = 0) -> lsp.Position:
    """Where ``words`` stand, in UTF-16 units."""
    before = text[: text.index(words) + beyond]
    line = before.rsplit("\n", 1)[-1]
    return lsp.Position(before.count("\n"), len(line.encode("utf-16-le")) // 2)


def drive(session: Callable[[Editor], Awaitable[None]], *options: str) -> None:
    """A server started, asked, and stopped as an editor does it: it ends with exit code 0."""

    async def run() -> int | None:
        editor = Editor()
        await editor.start_io(sys.executable, "-m", "ffebm_dsl", "lsp", *options)
        await editor.initialize_async(lsp.InitializeParams(lsp.ClientCapabilities()))
        editor.initialized(lsp.InitializedParams())
        await session(editor)
        await editor.shutdown_async(None)
        editor.exit(None)
        server = editor._server
        assert server is not None
        code = await asyncio.wait_for(server.wait(), 60)
        await editor.stop()
        return code

    assert asyncio.run(run()) == 0


def test_diagnostics_follow_the_text() -> None:
    async def session(editor: Editor) -> None:
        editor.open(FAULTY)
        first = await editor.news()
        assert (first.uri, first.version) == (URI, 1)
        assert [d.code for d in first.diagnostics] == ["FFE1005", "FFE1018"]
        assert first.diagnostics[0].range.start == place_of(FAULTY, "hard_sigmoidd")
        assert "did you mean" in first.diagnostics[0].message
        # A burst of changes is answered once, for the last of them.
        for version, text in enumerate([TEXT + "}", TEXT + "pa", TEXT], start=2):
            editor.change(text, version)
        last = await editor.news()
        assert last.version == 4 and not last.diagnostics
        editor.change(TEXT.replace("epochs = 2", "epochs = "), 5)
        assert {d.code for d in (await editor.news()).diagnostics} <= {"FFE0001", "FFE0003"}
        close = lsp.DidCloseTextDocumentParams(DOCUMENT)
        editor.text_document_did_close(close)
        closed = await editor.news()
        assert not closed.diagnostics

    drive(session)


def test_questions_and_quick_fixes() -> None:
    async def session(editor: Editor) -> None:
        editor.open(FAULTY)
        await editor.news()
        at = place_of(FAULTY, "conv2d", 2)
        hover = await editor.text_document_hover_async(lsp.HoverParams(DOCUMENT, at))
        assert hover is not None and isinstance(hover.contents, lsp.MarkupContent)
        assert "2-d convolution" in hover.contents.value
        at = place_of(FAULTY, "sx2", 1)
        ask = lsp.CompletionParams(DOCUMENT, at)
        items = await editor.text_document_completion_async(ask)
        assert isinstance(items, list)
        assert {item.label for item in items} == {"s1", "s2"}
        at = place_of(FAULTY, "b2.skip", 4)
        found = await editor.text_document_definition_async(lsp.DefinitionParams(DOCUMENT, at))
        assert isinstance(found, lsp.Location)
        assert found.range.start == place_of(FAULTY, "skip = t1")
        names = await editor.text_document_document_symbol_async(lsp.DocumentSymbolParams(DOCUMENT))
        assert names is not None
        assert [name.name for name in names] == ["width", "dense", "m"]
        start = place_of(FAULTY, "sx2")
        actions = await editor.text_document_code_action_async(
            lsp.CodeActionParams(DOCUMENT, lsp.Range(start, start), lsp.CodeActionContext([]))
        )
        assert actions is not None
        (action,) = actions
        assert isinstance(action, lsp.CodeAction) and action.edit and action.edit.changes
        (edit,) = action.edit.changes[URI]
        assert (edit.range.start, edit.new_text) == (start, "s2")

    drive(session)


def test_a_client_may_say_stdio() -> None:
    async def session(editor: Editor) -> None:
        editor.open(TEXT)
        assert not (await editor.news()).diagnostics

    drive(session, "--stdio")


def test_formatting() -> None:
    async def session(editor: Editor) -> None:
        text = TEXT.replace("sweeps = 10 ", f"sweeps=10 # {EMOJI}\n")
        editor.open(text)
        await editor.news()
        options = lsp.FormattingOptions(tab_size=2, insert_spaces=True)
        ask = lsp.DocumentFormattingParams(DOCUMENT, options)
        edits = await editor.text_document_formatting_async(ask)
        assert edits is not None
        (edit,) = edits
        assert edit.new_text == format_source(SourceFile("a.ffe", text))
        assert edit.range.start == lsp.Position(0, 0)
        editor.change(edit.new_text, 2)
        assert not await editor.text_document_formatting_async(ask)
        editor.change("model {", 3)
        assert await editor.text_document_formatting_async(ask) is None

    drive(session)


def test_a_half_written_file_is_no_end() -> None:
    async def session(editor: Editor) -> None:
        editor.open("")
        assert (await editor.news()).diagnostics
        for version, text in enumerate(["model {{{", TEXT[:500], "\r\n\x00" + TEXT], start=2):
            editor.change(text, version)
            assert (await editor.news()).diagnostics
            end = lsp.Position(text.count("\n") + 9, 0)
            await editor.text_document_completion_async(lsp.CompletionParams(DOCUMENT, end))
            await editor.text_document_hover_async(lsp.HoverParams(DOCUMENT, end))

    drive(session)
