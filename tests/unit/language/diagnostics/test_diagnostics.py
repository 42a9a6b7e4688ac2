"""Places, rendering, nearest names."""

from __future__ import annotations

import pytest

from ffebm_dsl.language.diagnostics import (
    Diagnostic,
    Edit,
    Fix,
    Label,
    SourceFile,
    Span,
    render,
    to_record,
)
from ffebm_dsl.language.diagnostics.fix import did_you_mean, nearest, replace, respell

SOURCE = SourceFile("a.ffe", "first\n\tsecond line\r\nthird")


@pytest.mark.parametrize(("offset", "place"), [(0, (1, 1)), (6, (2, 1)), (7, (2, 2)), (25, (3, 6))])
def test_position(offset: int, place: tuple[int, int]) -> None:
    assert SOURCE.position(offset) == place


def test_render_shows_every_labelled_line_once_and_repeats_tabs() -> None:
    diagnostic = Diagnostic(
        "FFE0001",
        "the message",
        SOURCE,
        Span(7, 13),
        "here",
        labels=(Label(Span(14, 18), "there"), Label(Span(0, 5), "before")),
        notes=("a note",),
        help="a remedy",
    )
    assert render(diagnostic).split("\n") == [
        "error[FFE0001]: the message",
        "  --> a.ffe:2:2",
        "1 | first",
        "  | ----- before",
        "2 | \tsecond line",
        "  | \t^^^^^^ here",
        "  | \t       ---- there",
        "   = note: a note",
        "   = help: a remedy",
    ]


def test_span_over_several_lines_is_underlined_on_its_first() -> None:
    assert render(Diagnostic("FFEW001", "m", SOURCE, Span(7, 25))).split("\n")[-1] == (
        "  | \t^^^^^^^^^^^"
    )


def test_of_a_long_line_the_part_around_the_place_is_shown() -> None:
    source = SourceFile("a.ffe", "x" * 1000 + "HERE" + "y" * 1000)
    line, caret = render(Diagnostic("FFE0001", "m", source, Span(1000, 1004))).split("\n")[2:]
    assert len(line) < 200 and line.index("HERE") == caret.index("^^^^")
    all_of_it = render(Diagnostic("FFE0001", "m", source, Span(0, 2004))).split("\n")[2:]
    assert max(map(len, all_of_it)) < 200


def test_record() -> None:
    record = to_record(Diagnostic("FFEW001", "m", SOURCE, Span(21, 22)))
    assert (record["severity"], record["line"], record["column"]) == ("warning", 3, 2)


def test_record_of_a_fix() -> None:
    fix = Fix("write `2nd`", (Edit(Span(7, 13), "2nd"), Edit(Span(0, 0), "# ")))
    record = to_record(Diagnostic("FFE0001", "m", SOURCE, Span(7, 13), fix=fix))
    assert record["fix"]["title"] == "write `2nd`"
    assert record["fix"]["edits"][0] == {
        "text": "2nd",
        "line": 2,
        "column": 2,
        "end_line": 2,
        "end_column": 8,
    }
    assert fix.apply(SOURCE.text) == "# first\n\t2nd line\r\nthird"


def test_no_fix_without_a_near_name() -> None:
    assert respell(Span(0, 3), "zzz", ["conv2d"]) is None
    assert respell(Span(0, 6), "covn2d", ["conv2d"]) == replace(Span(0, 6), "conv2d")


def test_unknown_code_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Diagnostic("FFE9999", "m", SOURCE, Span(0, 0))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Conv2d", "conv2d"),
        ("covn2d", "conv2d"),
        ("inpt", "input"),
        ("conv", ""),
        ("q", ""),
        ("", ""),
        ("LAYER", "layer"),
    ],
)
def test_nearest(name: str, found: str) -> None:
    assert nearest(name, ["conv2d", "linear", "input", "init", "layer"]) == found


def test_names_that_are_as_near_are_offered_alike() -> None:
    assert did_you_mean("s3", ["s1", "s2", "t"]) == "did you mean `s1` or `s2`?"
    assert did_you_mean("s9", ["s1", "s2", "s3"]) == "did you mean `s1`, `s2` or `s3`?"
    assert did_you_mean("s9", ["s1", "s2", "s3", "s4"]) == "known here: s1, s2, s3, s4"
    assert respell(Span(0, 2), "s3", ["s1", "s2"]) is None
    assert respell(Span(0, 2), "s3", ["s1", "t2"]) == Fix("write `s1`", (Edit(Span(0, 2), "s1"),))


def test_help_lists_the_few_names_there_are() -> None:
    assert did_you_mean("zzz", ["b", "a"]) == "known here: a, b"
    assert did_you_mean("zzz", [f"name{i}" for i in range(20)]) == ""
