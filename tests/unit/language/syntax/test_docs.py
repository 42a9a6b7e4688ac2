"""What doc comments document, before and after formatting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.syntax import format_source, parse


def documented(text: str) -> dict[str, str]:
    """The doc comments of a text by the name of what they document; ``""`` is the text."""
    program = parse(SourceFile("spec.ffe", text))
    return {name: doc for name, doc in [("", program.doc), *_docs(program.items)] if doc}


def _docs(statements: Any) -> Iterator[tuple[str, str]]:
    for node in statements:
        if "doc" in node._fields:
            yield node.name.text if "name" in node._fields else "train", node.doc
        yield from _docs(getattr(node, "statements", ()))


@pytest.mark.parametrize(
    ("text", "docs"),
    [
        ("param a: int = 1 ## a\nparam b: int = 1", {"a": "a"}),
        ("## a\nparam a: int = 1 ## more\n## b\nparam b: int = 1", {"a": "a\nmore", "b": "b"}),
        ("param a: int = 1 param b: int = 1 ## b", {"b": "b"}),
        ("param a: int = ## a\n 1\nparam b: int = 1", {"a": "a"}),
        ("param a: int\n ## a\n = 1\nparam b: int = 1", {"a": "a"}),
        ("param a: int = (1) ## a\n\n## b\nparam b: int = 1", {"a": "a", "b": "b"}),
        ("param a: int = 1 in [1, ## a\n2] ## too\nparam b: int = 1", {"a": "a\ntoo"}),
        (
            "model m { ## m\n input x: v(1) ## x\n target y: l(2) ## y\n}",
            {"m": "m", "x": "x", "y": "y"},
        ),
        ("model m {\n ## x\n input x: v(1)\n} ## m\n", {"x": "x", "m": "m"}),
        ("model m ## m\n{ input x: v(1) }", {"m": "m"}),
        ("model m { block b { energy e { layer s: [1] a ## s\n} } ## b\n}", {"s": "s", "b": "b"}),
        ("model m { block b = t(1) ## b\n block c = t(2) { ## c\n} }", {"b": "b", "c": "c"}),
        ("model m { block c = t(2) { init z ## none\n} block d = t() }", {}),
        ("model m { block b { out = s ## none\n relax f { a = 1 } ## none\n } block c = t() }", {}),
        ("model m { block b { energy e { } ## none\n feedforward f = x } }", {}),
        ("template t(n: int, ## t\n k: int) { ## too\n out = s ## none\n}", {"t": "t\ntoo"}),
        ("train { ## train\n epochs = 3 ## none\n}", {"train": "train"}),
        ("ffe 1.0 ## text\n## a\nparam a: int = 1", {"": "text", "a": "a"}),
        ("## text\n\n## a\nparam a: int = 1", {"": "text", "a": "a"}),
        ("## text\n\nffe 1.0\nparam a: int = 1", {}),
        ("## none", {}),
        ("\n\n## none\n\n", {}),
        ("ffe 1.0 ## text", {"": "text"}),
        ("param a: int = 1\n## none\n", {}),
        ("param a: int = 1\n## none, of two\n## lines", {}),
        ('param a: string = "## none"\nparam b: int = 1', {}),
    ],
)
def test_a_doc_comment_documents_what_it_stands_at(text: str, docs: dict[str, str]) -> None:
    assert documented(text) == docs
    assert documented(format_source(SourceFile("spec.ffe", text))) == docs


def test_the_layout_keeps_a_doc_comment_at_the_end_of_its_line() -> None:
    text = "param a: int=1 ## a\nmodel m{## m\ninput x: v(1) ## x\n}## end\n"
    assert format_source(SourceFile("spec.ffe", text)) == (
        "ffe 1.1\nparam a: int = 1  ## a\n\nmodel m {  ## m\n  input x: v(1)  ## x\n}  ## end\n"
    )


def test_a_long_declaration_keeps_the_doc_comment_of_its_end() -> None:
    ops = " |> ".join(f"an_op_with_a_long_name_{i}()" for i in range(6))
    text = f"model m {{ feedforward f = x |> {ops} ## f\n feedforward g = f }}"
    result = format_source(SourceFile("spec.ffe", text))
    assert result.count("\n") > 4
    assert documented(result) == documented(text) == {"f": "f"}


def test_many_doc_comments_take_no_square_of_their_number() -> None:
    text = "".join(f"param a{i}: int = 1 ## {i}\n" for i in range(2000))
    assert len(documented(text)) == 2000
