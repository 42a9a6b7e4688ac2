"""A text with one fault has its diagnostic, and otherwise those of the text without it."""

from __future__ import annotations

import re

import pytest

from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.syntax import lex
from tests.mutants import errors_of, line_of_report, real_specs

SPECS = real_specs()
PARAM = re.compile(r"^param +\w+ *: *\w+ *= *([\w.+-]+)", re.M)

TEMPLATES = """ffe 1.0
param w: int = 4
template t(src: port, c: int, s: real) {
  feedforward u = src |> linear(c)
  energy hopfield {
    layer s1: [c] hard_sigmoid(s)
    layer s2: [c] hard_sigmoid(s)
    u  ->  s1
    s1 <-> s2 : linear()
  }
  out = s2
}
model m {
  input  x: vector(4)
  target y: vector(4)
  block a = t(x, w, 0.5)
  block b = t(a, w, 0.5)
  readout p = b |> linear(w)
  loss = mse(p, y)
}
"""


def faulty_params() -> list[tuple[str, str, int]]:
    """Every spec with one of its params faulty: its name, its text, and the line."""
    found = []
    for name, text in SPECS:
        for match in PARAM.finditer(text):
            for wrong in ("nowhere_declared", '"text"', "1 / 0", "1.5e400"):
                spoiled = f"{text[: match.start(1)]}{wrong}{text[match.end(1) :]}"
                found.append((name, spoiled, text.count("\n", 0, match.start()) + 1))
    return found


def lines_of(text: str) -> list[int]:
    return [line_of_report(fault) for fault in errors_of(text)]


def test_a_faulty_param_is_the_only_fault() -> None:
    cases = faulty_params()
    assert len(cases) > 40
    for name, text, line in cases:
        assert set(lines_of(text)) == {line}, (name, line)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("int = 4", "int = 1.5", 2),
        ("int = 4", "int = v", 2),
        ("int = 4", 'int = "a"', 2),
        ("int = 4", "int = 8 in [4, 6]", 2),
        ("w: int", "w: itn", 2),
        ("t(x, w, 0.5)", "t(x, w, true)", 16),
        ("t(x, w, 0.5)", "t(x, w / 3, 0.5)", 16),
        ("t(x, w, 0.5)", "t(1, w, 0.5)", 16),
        ("t(x, w, 0.5)", "t(z, w, 0.5)", 16),
        ("t(x, w, 0.5)", "t(x, w)", 16),
        ("t(x, w, 0.5)", "t(x, w, 0.5, 1)", 16),
        ("c: int", "c: itn", 3),
        ("[c] hard_sigmoid(s)\n    layer s2", "[c] hard_sgmoid(s)\n    layer s2", 6),
    ],
)
def test_one_fault_around_a_template(old: str, new: str, line: int) -> None:
    assert not errors_of(TEMPLATES)
    assert TEMPLATES.count(old) == 1
    assert set(lines_of(TEMPLATES.replace(old, new))) == {line}


def test_two_faults_are_both_found_through_a_template() -> None:
    text = TEMPLATES.replace("int = 4", "int = 1.5").replace("    u  ->  s1", "    v  ->  s1")
    assert set(lines_of(text)) == {2, 8}


KEYWORDS_AS_NAMES = TEMPLATES.replace(
    "  block a = t(",
    """  gradient ep(
    0.2,
    centered,
    loss
  )
  block a = t(""",
)


def without_one_symbol(text: str, every: int) -> list[tuple[str, int]]:
    """The text without one of its symbols, for every n-th of them, and the line of that."""
    words = [word for word in lex(text) if word.type in ("_COLON", "_EQUAL", "_LPAR", "_RPAR")]
    return [
        (text[: word.span.start] + " " + text[word.span.end :], word.line)
        for word in words[::every]
    ]


def test_legal_lines_are_not_accused_of_a_fault_elsewhere() -> None:
    assert not errors_of(KEYWORDS_AS_NAMES)
    cases = without_one_symbol(KEYWORDS_AS_NAMES, 1)
    cases += [case for _, text in SPECS for case in without_one_symbol(text, 29)]
    assert len(cases) > 100
    for text, line in cases:
        # What is missing at the end of a line may be said there or where the next one begins.
        assert set(lines_of(text)) <= {line - 1, line, line + 1}, (line, text)


@pytest.mark.parametrize(
    "value", ["implicit(", "implicit(1", "implicit)", "[", "ep(beta=", "$", ""]
)
def test_a_keyword_is_a_name_in_a_faulty_override_too(value: str) -> None:
    with pytest.raises(SpecError) as caught:
        compile_spec(SourceFile("t.ffe", TEMPLATES), {"gradient": value})
    for fault in caught.value.diagnostics:
        assert "gradient" not in fault.message + fault.help
