"""Completion: what each place offers, and that every word of a text is offered."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.registry import ACTIVATIONS, OPS, OPTIMIZERS, PHASES, TRAIN
from ffebm_dsl.language.syntax import RESERVED
from ffebm_dsl.language.syntax.grammar import LATER
from ffebm_dsl.tools.editor.analysis import analyse, declaration_at
from ffebm_dsl.tools.editor.answers import OpenDocument, symbols
from ffebm_dsl.tools.editor.complete import complete
from ffebm_dsl.tools.editor.hover import KEYWORD_DOCS, hover
from tests.unit.tools.editor.texts import TEXT, changed

ROOT = Path(__file__).parents[4]
SPECS = [*(ROOT / "specs").rglob("*.ffe"), *(ROOT / "tests" / "golden" / "good").glob("*.ffe")]


def labels(old: str, new: str) -> list[str]:
    return [item.label for item in complete(*changed(old, new))]


@pytest.mark.parametrize(
    ("old", "new", "offered"),
    [
        ("hard_sigmoid\n", "|!\n", [*ACTIVATIONS.visible()]),
        (": flatten() |>", ": |!", [n for n, op in OPS.visible().items() if op.in_coupling]),
        ("|> linear(size)", "|> |!", [*OPS.visible()]),
        ("|> linear(size)", "|> add(|!)", ["port", "src"]),
        ("u  ->  s1", "u  ->  s1 : |!", [n for n, op in OPS.visible().items() if op.in_coupling]),
        ("= npz(", "= |!(", ["digits", "mnist"]),
        ("adam(lr", "|!(lr", [*OPTIMIZERS.visible()]),
        ("relax free", "relax |!", [*PHASES]),
        ("sweeps = 10  ", "sweeps = 10  |!", ["tolerance", "order", "damping"]),
        ("epochs = 2", "epochs = 2 |!", [n for n in TRAIN.names if n not in TEXT]),
        ("kernel=3", "|!", ["stride", "dilation", "width"]),
        ("estimator=centered", "estimator=|!", ["centered", "positive", "negative"]),
        ("padding=2", "mode=|!", ["edge", "zeros"]),
        ("u  ->  s1", "u  ->  |!", ["s1", "s2"]),
        ("u  ->  s1", "|!  ->  s1", ["u", "x", "s1", "layer"]),
        ("out = s2", "out = |!", ["s1", "s2"]),
        ("b2.skip", "b2.|!", ["out", "skip"]),
        ("dense(b1", "|!(b1", ["dense"]),
        ("size=2", "|!=2", ["src", "size"]),
        ("width: int", "width: |!", ["int", "real", "bool"]),
        ("src: port", "src: |!", ["port", "int"]),
        ("(logits, y)", "(logits, |!)", ["y"]),
        ("loss =", "|! loss =", ["readout", "block", "loss"]),
        ("train {", "|! train {", ["use", "param", "template", "hardware", "model", "train"]),
    ],
)
def test_offered(old: str, new: str, offered: list[str]) -> None:
    found = labels(old, new)
    assert set(offered) <= set(found)


@pytest.mark.parametrize(
    ("old", "new", "withheld"),
    [
        ("= src |>", "= |! |>", ["x", "b1", "t1"]),
        (
            "b1 {\n    feedforward u = x",
            "b1 {\n    feedforward u = |!",
            ["b1", "b2", "y", "logits"],
        ),
        ("u  ->  s1", "u  ->  |!", ["u", "x", "t1"]),
        (": flatten() |>", ": |!", ["relu", "dropout"]),
        ("kernel=3, padding=1", "kernel=3, |!padding=1", ["kernel"]),
    ],
)
def test_not_offered(old: str, new: str, withheld: list[str]) -> None:
    assert not set(withheld) & set(labels(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("## Channels.", "## Ch|!annels."),
        ("= 10", "= 1|!0"),
        ("= 2\n", '= "a|!\n'),
        ("1.0", "1.|!0"),
    ],
)
def test_nothing_inside_comments_numbers_and_strings(old: str, new: str) -> None:
    assert labels(old, new) == []


def test_a_half_typed_word_is_replaced() -> None:
    analysis, offset = changed("hard_sigmoid\n", "hard|!_si\n")
    item = complete(analysis, offset)[0]
    text = analysis.source.text
    assert text[item.span.start : item.span.end] == "hard_si"


def lines_of_their_own() -> dict[Path, set[str]]:
    """Of every spec the lines that no spec before it has: most are in many."""
    found: dict[Path, set[str]] = {}
    for path in SPECS:
        lines = {line.strip() for line in path.read_text(encoding="utf-8").splitlines()}
        found[path] = lines.difference(*found.values())
    return found


@pytest.mark.parametrize(
    ("path", "own"), lines_of_their_own().items(), ids=[path.stem for path in SPECS]
)
def test_every_word_of_a_spec_is_on_offer_where_it_stands(path: Path, own: set[str]) -> None:
    """But for names that are declared there, and couplings as parts, which have no declaration."""
    analysis = analyse(SourceFile("a.ffe", path.read_text(encoding="utf-8")))
    declared = {found.span for found in analysis.declarations}
    for token in analysis.tokens:
        if analysis.source.line(token.line).strip() not in own:
            continue
        if token.kind in ("name", "keyword") and token.span not in declared:
            offered = [item.label for item in complete(analysis, token.span.start + 1)]
            assert token.text in offered or token.text == "s1_s2", token


@given(st.integers(0, len(TEXT)), st.integers(0, len(TEXT)), st.integers(0, len(TEXT)))
@example(TEXT.index("[8] tanh"), TEXT.index("train {"), 0)
@settings(max_examples=60, deadline=None)
def test_no_text_is_too_broken(start: int, end: int, offset: int) -> None:
    """A part of the text cut out: every question has an answer, at every place."""
    text = TEXT[: min(start, end)] + TEXT[max(start, end) :]
    analysis = analyse(SourceFile("a.ffe", text))
    offset = min(offset, len(text))
    complete(analysis, offset), hover(analysis, offset), declaration_at(analysis, offset)
    document = OpenDocument("file:///a.ffe", analysis, "utf-16")
    for symbol in symbols(analysis.program.items if analysis.program else (), document):
        named, whole = symbol.selection_range, symbol.range
        assert whole.start <= named.start <= named.end <= whole.end


def test_every_keyword_is_documented() -> None:
    assert set(KEYWORD_DOCS) == RESERVED | {*LATER.values()}
