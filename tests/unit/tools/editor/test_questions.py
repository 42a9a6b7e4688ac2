"""Hover, definition, symbols, places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol.types import DocumentSymbol, Position, Range

from ffebm_dsl.language.diagnostics import SourceFile, Span
from ffebm_dsl.language.syntax import parse
from ffebm_dsl.tools.editor.analysis import Analysis, analyse, declaration_at
from ffebm_dsl.tools.editor.answers import OpenDocument, symbols
from ffebm_dsl.tools.editor.complete import complete
from ffebm_dsl.tools.editor.hover import hover
from tests.unit.tools.editor.texts import TEXT, at, changed


def said(old: str, new: str) -> str:
    found = hover(*changed(old, new))
    return found.text if found else ""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("conv2d", "co|!nv2d", "2-d convolution"),
        ("kernel=3", "ke|!rnel=3", "size of the window"),
        ("sweeps = 10", "sw|!eeps = 10", "maximum number of sweeps"),
        ("epochs", "ep|!ochs", "passes over the training set"),
        ("centered", "cen|!tered", "nudged phases at +beta and -beta"),
        ("tanh", "ta|!nh", "slope"),
        ("relax", "re|!lax", "How a phase relaxes"),
        ("s1 <-> s2", "s1 <|!-> s2", "[4, 8, 8] <-> [8]; 2,056 parameters, 2,048 MACs"),
        ("u  ->  s1", "u  -|!>  s1", "one way"),
        ("layer s1", "layer s|!1", "[4, 8, 8], 256 units, hard_sigmoid"),
        ("layer s1", "layer s|!1", "The first."),
        ("u  ->  s1", "u|!  ->  s1", "[1, 8, 8] -> [4, 8, 8]; 40 parameters"),
        ("[width", "[wi|!dth", "value 4"),
        ("= dense(b1", "= dense(b|!1", "2 layers of 264 units; 2,096 parameters"),
        ("layer t1", "layer t|!1", "in `b2`: [8], 8 units"),
        ("input  x", "input  |!x", "image [1, 8, 8]"),
        ("(logits", "(lo|!gits", "[8] -> [3]; 27 parameters"),
    ],
)
def test_hover(old: str, new: str, words: str) -> None:
    assert words in said(old, new)


COUPLED = "s1 <-> s2 : flatten() |> linear()"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("u  ->  s1", "u  -|!>  s1 : conv2d(kernel=1)", "[4, 8, 8] -> [4, 8, 8]; 20 parameters"),
        ("u -> t1", "u -|!> t1", "in `b2`: [8] -> [8]; 0 parameters"),
        ("linear()", "linear() { feedback = own }", "4,144 parameters"),
        (COUPLED, f'{COUPLED}  {COUPLED} {{ tied_to = "s1_s2" }}', "2,096 parameters"),
        ("u  ->  s1", "u  ->  s1 : conv2d(kernel=1)", "2,116 parameters"),
        ("u  ->  s1", "u  ->  s1  s2 : memory(3)", "2,120 parameters"),
        ("[8] tanh", "[8] no_such", "2 layers of 264 units"),
    ],
)
def test_counts(old: str, new: str, words: str) -> None:
    """Of the whole block, where the text has no mark."""
    marked = TEXT.replace("ffe 1.0", "ffe 1.1").replace(old, new, 1)
    marked = marked if "|!" in marked else marked.replace("block b1", "block b|!1")
    found = hover(*at(marked))
    assert found is not None and words in found.text
    assert ("parameters" in found.text) == ("parameters" in words)


def test_a_heading_is_not_a_declaration_s_comment() -> None:
    assert "Channels." in said("[width", "[wi|!dth") and "heading" not in said("[width", "[wi|!dth")


@pytest.mark.parametrize(("old", "new"), [("{ sweeps", "|!{ sweeps"), ("image(1", "image(|!1")])
def test_nothing_to_say(old: str, new: str) -> None:
    assert said(old, new) == ""


def test_a_faulty_spec_is_still_explained() -> None:
    """What cannot be worked out is left out, the rest stands."""
    assert "[4, 8, 8]" in said("layer s1: [width, 8, 8]", "layer s|!1: [width, 8, 8] tahn")
    assert "2-d convolution" in said("conv2d(width, kernel=3", "co|!nv2d(wdth, kernel=")


@pytest.mark.parametrize(
    ("old", "new", "declared"),
    [
        ("u  ->  s1", "u  ->  s|!1", "s1: [width"),
        ("u  ->  s1", "u|!  ->  s1", "u = x"),
        ("[width", "[|!width", "width: int"),
        ("dense(b1", "de|!nse(b1", "dense(src"),
        ("dense(b1", "dense(|!b1", "b1 {"),
        ("size=2", "si|!ze=2", "size: int"),
        ("linear(size)", "linear(si|!ze)", "size: int"),
        ("b2.skip", "b2.sk|!ip", "skip = t1"),
        ("b2.skip", "b|!2.skip", "b2 = dense"),
        ("(logits, y)", "(logits, |!y)", "y: label"),
        ("(logits, y)", "(lo|!gits, y)", "logits = b2"),
        ("param width", "param wi|!dth", "width: int"),
    ],
)
def test_definition(old: str, new: str, declared: str) -> None:
    analysis, offset = changed(old, new)
    found = declaration_at(analysis, offset)
    assert found is not None
    assert analysis.source.text[found.span.start :].startswith(declared)


@pytest.mark.parametrize(("old", "new"), [("conv2d", "co|!nv2d"), ("kernel=3", "ker|!nel=3")])
def test_entries_of_the_registry_have_no_definition(old: str, new: str) -> None:
    assert declaration_at(*changed(old, new)) is None


def document(text: str, encoding: str) -> OpenDocument:
    return OpenDocument(
        "file:///a.ffe", Analysis(SourceFile("a.ffe", text), None, None, ()), encoding
    )


def tree(found: Sequence[DocumentSymbol]) -> list[object]:
    return [(s.name, tree(s.children)) if s.children else s.name for s in found]


def test_symbols() -> None:
    analysis = analyse(SourceFile("a.ffe", TEXT))
    assert analysis.program is not None
    opened = OpenDocument("file:///a.ffe", analysis, "utf-16")
    found = list(symbols(analysis.program.items, opened))
    assert tree(found) == [
        "width",
        ("dense", ["u", "t1", "skip"]),
        ("m", ["x", "y", ("b1", ["u", "s1", "s2"]), "b2", "logits"]),
    ]

    def text_of(symbol: DocumentSymbol) -> str:
        return TEXT[opened.offset(symbol.range.start) : opened.offset(symbol.range.end)]

    of_model = found[2].children or ()
    block, instance = of_model[2:4]
    assert text_of(block).startswith("block b1 {") and text_of(block).endswith("out = s2\n  }")
    assert block.children and text_of(block.children[2]) == "layer s2: [8] tanh(0.5)"
    assert instance.detail == "block = dense"


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 5), ("utf-16", 3), ("utf-32", 2)])
def test_columns_count_code_units(encoding: str, column: int) -> None:
    found = document("a\r\n\U0001f600b\nc\rd", encoding)
    assert found.position(4) == Position(1, column - 1)
    assert found.offset(Position(1, column)) == 5
    assert found.range(Span(4, 6)) == Range(Position(1, column - 1), Position(2, 0))
    assert found.offset(Position(3, 0)) == 8
    assert found.offset(Position(0, 99)) == 1
    assert found.offset(Position(99, 0)) == 9


@given(
    st.text(alphabet="ab\n\ré\U0001f600", max_size=30),
    st.sampled_from(["utf-8", "utf-16", "utf-32"]),
)
@settings(deadline=None)
def test_places_come_back(text: str, encoding: str) -> None:
    found = document(text, encoding)
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] != "\r\n":
            assert found.offset(found.position(offset)) == offset


def test_no_depth_of_a_half_written_text_is_too_much() -> None:
    text = "model m {\n" + "block b {\n" * 6000
    assert analyse(SourceFile("a.ffe", text)).program is None
    for opening in ("f(", "[", "template t(", "{"):
        text = "model m {\nfeedforward f = x |> " + opening * 6000
        assert complete(analyse(SourceFile("a.ffe", text)), len(text)) == ()


@pytest.mark.parametrize(
    "text",
    [
        "param a: int = 1 ## a\nparam b: int = 1",
        "## a\nparam a: int = 1 ## more\n## b\nparam b: int = 1",
        "param a: int = 1 in [1, ## a\n## too\n2] ## three\nparam b: int = 1",
        "model m { ## m\n input x: v(1) ## x\n target y: l(2) ## y\n} ## end",
        "model m { block b { energy e { layer s: [1] a ## s\n x -> s ## none\n} } ## b\n}",
        "model m { block b { out = s ## none\n relax f { a = 1 } ## none\n } block c = t() }",
        "template t(n: int, ## t\n k: int) { ## too\n out = s ## none\n}",
        "ffe 1.0 ## text\n## a\nparam a: int = 1",
        "## text\n\n## a\nparam a: int = 1",
    ],
)
def test_doc_comments_are_those_of_the_parser(text: str) -> None:
    def docs(statements: Any) -> Iterator[tuple[str, str]]:
        for node in statements:
            if "doc" in node._fields:
                yield node.name.text, node.doc
            yield from docs(getattr(node, "statements", ()))

    analysis = analyse(SourceFile("a.ffe", text))
    found = {d.name: d.doc for d in analysis.declarations if d.keyword not in ("out", "formal")}
    assert found == dict(docs(parse(analysis.source).items))


def test_a_use_statement_is_explained() -> None:
    text = "ffe 1.1\nuse mylab-devices >= 0.2\n"
    found = hover(analyse(SourceFile("a.ffe", text)), text.index("mylab"))
    assert found is not None and "A package" in found.text
    assert text[found.span.start : found.span.end] == "use mylab-devices >= 0.2"
