"""Compiling any text ends in an IR or in a SpecError."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffebm_dsl.language.diagnostics import SourceFile, SpecError, render
from ffebm_dsl.language.ir import compile_spec

ROOT = Path(__file__).parents[4]
SPECS = [
    path.read_text(encoding="utf-8")
    for folder in ("tests/golden/good", "specs/small")
    for path in sorted((ROOT / folder).glob("*.ffe"))
]
TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|\w+(?:\.\d+)?|<->|->|\|>|[^\w\s]')
JUNK = re.findall(
    r"\S+",
    '{ } ( ) [ ] -> <-> |> = , : . 0 -1 1e309 999999999999 1/0 true layer out x s1 " # $ \0 é ;',
)


def compiles_or_explains(text: str) -> None:
    source = SourceFile("mutant.ffe", text)
    try:
        compile_spec(source)
    except SpecError as fault:
        assert fault.diagnostics
        for diagnostic in fault.diagnostics:
            render(diagnostic)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_mutated_specs(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SPECS))
    for _ in range(data.draw(st.integers(1, 3))):
        spans = [m.span() for m in TOKEN.finditer(text)]
        start, end = data.draw(st.sampled_from(spans))
        other, other_end = data.draw(st.sampled_from(spans))
        new = data.draw(
            st.sampled_from(["", f" {text[start:end]} " * 2, text[other:other_end], *JUNK])
        )
        text = text[:start] + new + text[end:]
    compiles_or_explains(text)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    compiles_or_explains(text)


@pytest.mark.parametrize(
    "text",
    [
        "param a: int = " + "1 + " * 5000 + "1",
        "param a: int = " + "-" * 5000 + "1",
        "param a: int = " + "(" * 5000,
        "param a: int = " + "9" * 5000,
        "param a: real = " + "9" * 5000 + ".0",
        "".join(f"param a{i}: int = a{i + 1}\n" for i in range(500)),
        "model m { " + "block b { } " * 500 + "}",
        "\ufeffffe 1.0",
        "ffe 1.0\r\nmodel m {\r\n}\r\n",
    ],
    ids=["sum", "signs", "nesting", "digits", "real digits", "params", "blocks", "bom", "crlf"],
)
def test_extreme_texts(text: str) -> None:
    compiles_or_explains(text)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
def test_any_override(key: str, value: str) -> None:
    source = SourceFile("spec.ffe", SPECS[0])
    try:
        compile_spec(source, {key: value})
    except SpecError as fault:
        assert fault.diagnostics
        for diagnostic in fault.diagnostics:
            render(diagnostic)
