"""The parser against Lark's own, which is made of the same grammar."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from lark import Lark, Token, Tree, UnexpectedInput
from lark.exceptions import UnexpectedEOF

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.syntax.derive import Make, derive
from ffebm_dsl.language.syntax.generate import build_parser
from ffebm_dsl.language.syntax.scan import Word, scan
from ffebm_dsl.language.syntax.tables import CHILD, PARTS, tables
from ffebm_dsl.language.syntax.terminals import KEYWORDS, SYMBOLS
from tests.mutants import draw, real_specs
from tests.unit.language.syntax.programs import programs

Node = tuple[Any, ...]
"""Name, place (none for what is made of no word) and children of a node."""


@pytest.fixture(scope="module")
def lark() -> Lark:
    return build_parser()


def make(name: str) -> Make:
    def node(span: Span, *children: Any) -> Node:
        place = (span.start, span.end) if span.start < span.end else None
        return name, place, *map(_word, children)

    return node


NODES = {rule.node: make(rule.node) for rule in tables().rules}


def _word(child: Any) -> Any:
    return (child.start, child.text) if isinstance(child, Word) else child


def of_lark(tree: Any) -> Any:
    if isinstance(tree, Token):
        return tree.start_pos, str(tree)
    if not isinstance(tree, Tree):
        return tree
    place = None if tree.meta.empty else (tree.meta.start_pos, tree.meta.end_pos)
    return str(tree.data), place, *map(of_lark, tree.children)


def both(text: str, lark: Lark, start: str = "start") -> tuple[Any, Any]:
    """What our parser makes of a text, and what Lark's does: None for one that is refused."""
    try:
        theirs = of_lark(lark.parse(text, start=start))
    except (UnexpectedInput, UnexpectedEOF):
        theirs = None
    return derive(scan(text), start, NODES), theirs


@pytest.mark.parametrize(("name", "text"), real_specs(), ids=lambda value: value[:20])
def test_real_specs(name: str, text: str, lark: Lark) -> None:
    ours, theirs = both(text, lark)
    assert ours == theirs is not None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=programs())
def test_any_program(text: str, lark: Lark) -> None:
    ours, theirs = both(text, lark)
    assert ours == theirs is not None


def test_spoiled_specs(lark: Lark) -> None:
    pairs = [both(mutant.text, lark) for mutant in draw(60, 1, seed=7)]
    assert [ours for ours, _ in pairs] == [theirs for _, theirs in pairs]
    refused = sum(ours is None for ours, _ in pairs)
    assert 0 < refused < len(pairs)


def test_soups_of_words(lark: Lark) -> None:
    """Keywords as names, above all: they are words that only the place tells apart."""
    rng = random.Random(3)
    words = [*KEYWORDS.values(), *SYMBOLS.values(), "a", "b", "1"]
    for _ in range(300):
        text = " ".join(rng.choices(words, k=rng.randint(1, 6)))
        for before in ("", "param in : layer = ", "model model { block out { "):
            ours, theirs = both(before + text, lark)
            assert ours == theirs, before + text


@pytest.mark.parametrize("text", ["a = 1", "out.in = -(1 + 2) * [f(x=1,),]", "a.b.c = 1", "a"])
def test_overrides(text: str, lark: Lark) -> None:
    ours, theirs = both(text, lark, "override")
    assert ours == theirs
    assert (ours is None) == (text in ("a.b.c = 1", "a"))


def test_every_rule_makes_something_that_is_known() -> None:
    assert {CHILD, PARTS} < {rule.node for rule in tables().rules}


def test_words_without_their_end_are_a_bug() -> None:
    with pytest.raises(AssertionError, match="end"):
        derive(scan("ffe 1.0")[:-1], "start", NODES)
