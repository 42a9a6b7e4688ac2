"""Formatting: the same program, the same comments in the same places, and a fixed point."""

from __future__ import annotations

import cProfile
import pstats
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings

from ffebm_dsl.language.diagnostics import SourceFile, Span, SpecError
from ffebm_dsl.language.syntax import ast, canonical_layout, format_source, lex, parse
from ffebm_dsl.language.syntax.format import UnfaithfulLayout, same_but_for_places
from ffebm_dsl.language.syntax.writer import WIDTH
from tests.unit.language.syntax.programs import QUIET, programs

PROPERTY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def formatted(text: str) -> str:
    return format_source(SourceFile("spec.ffe", text))


def comments_of(text: str) -> list[str]:
    return [word.text for word in lex(text) if word.type == "COMMENT"]


@PROPERTY
@given(programs())
@example("param a: real = - -(1\n## own doc\n) param b: real = 1 + - - (2\n# c\n)\n")
def test_comments_and_layout(text: str) -> None:
    """``formatted`` itself proves that the program is the same; the rest is proved here."""
    result = formatted(text)
    assert formatted(result) == result
    assert comments_of(result) == comments_of(text)
    assert not re.search(r"[ \t\r\f]$", result, re.MULTILINE)
    assert not re.search(r"\n\n\n|\{\n\n|\n\n\s*\}", result)
    assert re.match(r"(#.*\n|\n)*ffe\b", result)
    assert result.endswith("\n") and not result.endswith("\n\n")


@PROPERTY
@given(programs(QUIET))
def test_lines_are_no_longer_than_they_must_be(text: str) -> None:
    """A longer line holds nothing that could stand on the next: one word and its brackets."""
    for line in formatted(text).splitlines():
        if len(line) > WIDTH:
            inside = re.sub(r'"[^"]*"', "", line.strip())
            assert not re.search(r", \w| \|> \w.* \|> \w", inside[WIDTH:]), line


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", "ffe 1.1\n"),
        ("# only a comment", "ffe 1.1\n# only a comment\n"),
        ("ffe  2.0", "ffe 2.0\n"),
        ("#! set a=1\nffe 1.0\n", "#! set a=1\nffe 1.0\n"),
        ("param a: int=(1)+(2*3)", "ffe 1.1\nparam a: int = 1 + 2 * 3\n"),
        ("param a: int=(1+2)*3-(4-5)", "ffe 1.1\nparam a: int = (1 + 2) * 3 - (4 - 5)\n"),
        ("param a: int=(1+2)+3", "ffe 1.1\nparam a: int = (1 + 2) + 3\n"),
        ("param a: int=--1 - -(-1)", "ffe 1.1\nparam a: int = 1 - -(-1)\n"),
        ("param a: int=(1 # why\n)", "ffe 1.1\nparam a: int = (1  # why\n    )\n"),
        ("train { a=x()b=[ ]c=true }", "ffe 1.1\n\ntrain {\n  a = x()\n  b = []\n  c = true\n}\n"),
        ("param a: int = 1\r\n# é\r\n", "ffe 1.1\nparam a: int = 1\n# é\n"),
    ],
)
def test_small_texts(text: str, result: str) -> None:
    assert formatted(text) == result.replace("1.1\n\ntrain", "1.1\ntrain")


@pytest.mark.parametrize(
    "text",
    [
        "model m ## a\n{ ## b\n input ## c\n x: v(1) }",
        "model m { block b = t(x) { ## not for c\n } block c = t(x) }",
        "model m { block b { energy e { layer s: [1] a( ## not for r\n ) layer r: [1] a } } }",
        "param a: int = (1 ## not for b\n)\nparam b: int = 2",
        "param a: int = 2 * (-(1 ## not for b\n))\nparam b: int = 2",
        "template t(a: int ## not for u\n) ## nor this\n { feedforward u = a }",
        "## heading\n\n## of the model\nmodel m {}",
        "ffe 1.0 ## of the model\nmodel m {}",
        "ffe 1.0 ## heading\n\nmodel m {}",
        "ffe ## one\n 1.0 ## two\n ## three\n",
    ],
)
def test_doc_comments_belong_where_they_did(text: str) -> None:
    result = formatted(text)
    again = parse(SourceFile("spec.ffe", result))
    given_ = parse(SourceFile("spec.ffe", text))
    assert again.doc == given_.doc
    assert same_but_for_places(again.items, given_.items)


def test_a_syntax_error_is_reported_as_by_the_parser() -> None:
    with pytest.raises(SpecError):
        formatted("model {")


def spoiled(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """From now on the layout has ``new`` where it should have ``old``."""
    faithful = canonical_layout.layout
    monkeypatch.setattr(
        canonical_layout, "layout", lambda *args: faithful(*args).replace(old, new, 1)
    )


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("{", "{{", "is no spec"),
        ("= 1", "= 2", "says something else"),
        ("# one", "# ono", "says something else"),
        ("# one", "## one", "says something else"),
        ("# two\n", "\n", "says something else"),
        ("model m", "#\nmodel m", "says something else"),
    ],
)
def test_an_unfaithful_layout_is_never_given_out(
    monkeypatch: pytest.MonkeyPatch, old: str, new: str, why: str
) -> None:
    text = "ffe 1.0\nparam a: int=1 # one\n# two\nmodel m {}"
    assert formatted(text)
    spoiled(monkeypatch, old, new)
    with pytest.raises(UnfaithfulLayout, match=why) as caught:
        formatted(text)
    assert caught.value.exit_code == 3


def test_a_layout_that_would_change_again_is_never_given_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faithful = canonical_layout.layout
    monkeypatch.setattr(
        canonical_layout, "layout", lambda p, text: faithful(p, text) + "\n" * len(text)
    )
    with pytest.raises(UnfaithfulLayout, match="would be formatted otherwise"):
        formatted("model m {}")


def test_equality_sees_everything_but_places() -> None:
    one = ast.Ident(Span(0, 1), "a")
    assert same_but_for_places(one, ast.Ident(Span(5, 6), "a"))
    assert not same_but_for_places(one, ast.Ident(Span(0, 1), "b"))
    assert not same_but_for_places(one, ast.Number(Span(0, 1), "a"))
    assert not same_but_for_places((one,), (one, one))
    assert not same_but_for_places(ast.Boolean(Span(0, 1), True), ast.Boolean(Span(0, 1), False))


def test_a_list_of_many_entries_is_filled() -> None:
    result = formatted(f"param a: int = [{'1,' * 20_000}]")
    assert max(map(len, result.splitlines())) <= WIDTH
    param = parse(SourceFile("spec.ffe", result)).items[0]
    assert isinstance(param, ast.Param) and isinstance(param.default, ast.ListExpression)
    assert len(param.default.items) == 20_000


def _many(depth: int) -> str:
    """Nested lists that fit on a line each."""
    return ", ".join(["[" * depth + "1" + "]" * depth] * (1000 // depth))


def _one(depth: int) -> str:
    """Nested lists none of which fits on a line."""
    return "[1, " * depth + "1" + (", 1" * (1500 // depth) + "]") * depth


@pytest.mark.parametrize("nested", [_many, _one])
def test_the_work_does_not_grow_with_the_depth_of_brackets(nested: Callable[[int], str]) -> None:
    def work(depth: int) -> float:
        """Calls per character."""
        text = f"ffe 1.1\nparam a: int = [{nested(depth)}]\n"
        program = parse(SourceFile("a.ffe", text))
        profile = cProfile.Profile()
        profile.runcall(canonical_layout.layout, program, text)
        return int(pstats.Stats(profile).total_calls) / len(text)  # type: ignore[attr-defined]

    assert work(28) < 1.7 * work(7)
