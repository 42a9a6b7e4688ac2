"""Hover, definition, symbols, places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffebm_dsl.diagnostics import SourceFile, Span
from ffebm_dsl.editor import Symbol, analyse, definition, hover, symbols
from ffebm_dsl.editor.positions import UNITS, Positions
from tests.unit.editor.texts import TEXT, changed


def said(old: str, new: str) -> str:
    found = hover(*changed(old, new))
    return found.text if found else ""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("conv2d", "co|!nv2d", "2-d convolution"),
        ("kernel=3", "ke|!rnel=3", "side of the square window"),
        ("sweeps = 10", "sw|!eeps = 10", "most sweeps of the phase"),
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
    span = definition(analysis, offset)
    assert span is not None
    assert analysis.source.text[span.start :].startswith(declared)


@pytest.mark.parametrize(("old", "new"), [("conv2d", "co|!nv2d"), ("kernel=3", "ker|!nel=3")])
def test_entries_of_the_registry_have_no_definition(old: str, new: str) -> None:
    assert definition(*changed(old, new)) is None


def tree(found: tuple[Symbol, ...]) -> list[object]:
    return [(s.name, tree(s.children)) if s.children else s.name for s in found]


def test_symbols() -> None:
    found = symbols(analyse(SourceFile("a.ffe", TEXT)))
    assert tree(found) == [
        "width",
        ("dense", ["u", "t1", "skip"]),
        ("m", ["x", "y", ("b1", ["u", "s1", "s2"]), "b2", "logits"]),
    ]
    block = found[2].children[2]
    assert TEXT[block.whole.start : block.whole.end].startswith("block b1 {")
    assert TEXT[block.whole.start : block.whole.end].endswith("out = s2\n  }")
    layer = block.children[2]
    assert TEXT[layer.whole.start : layer.whole.end] == "layer s2: [8] tanh(0.5)"
    assert found[2].children[3].detail == "block = dense"


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 5), ("utf-16", 3), ("utf-32", 2)])
def test_columns_count_code_units(encoding: str, column: int) -> None:
    positions = Positions("a\r\n\U0001f600b\nc\rd", encoding)
    assert positions.place(4) == (1, column - 1)
    assert positions.offset(1, column) == 5
    assert positions.range(Span(4, 6)) == ((1, column - 1), (2, 0))
    assert positions.offset(3, 0) == 8
    assert positions.offset(0, 99) == 1
    assert positions.offset(99, 0) == 9


@given(st.text(alphabet="ab\n\ré\U0001f600", max_size=30), st.sampled_from([*UNITS]))
def test_places_come_back(text: str, encoding: str) -> None:
    positions = Positions(text, encoding)
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] != "\r\n":
            assert positions.offset(*positions.place(offset)) == offset
