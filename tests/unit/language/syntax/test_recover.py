"""All syntax faults in one run: messages, places, and the statements that are recovered."""

from __future__ import annotations

import re

import pytest

from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.syntax import Recovered, ast, parse, parse_with_recovery
from ffebm_dsl.language.syntax.grammar import CLASSES, KEYWORDS, SYMBOLS
from ffebm_dsl.language.syntax.recover import MAX_FAULTS, MAX_MENDED
from tests.mutants import (
    draw,
    found,
    line_of_report,
    real_specs,
    spurious,
)

TEXT = """ffe 1.0
param width: int = 16
model m {
  input  x: image(1, 8, 8)
  target y: label(10)
  relax free { sweeps = 10 }
  block b {
    feedforward u = x |> flatten() |> linear(16)
    energy hopfield {
      layer s1: [width, 2] hard_sigmoid(0.5)
      layer s2: [8] tanh
      u  ->  s1
      s1 <-> s2 : linear()
    }
    out = s2
  }

  readout logits = b |> linear(10)
  loss = cross_entropy(logits, y)
}
"""


def recovered(text: str) -> Recovered:
    return parse_with_recovery(SourceFile("t.ffe", text))


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) == 1, old
    return TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "help"),
    [
        ("param width: int", "param width int", "FFE0001", 2, "add `:`"),
        ("param width: int", "parm width: int", "FFE0001", 2, "did you mean `param`?"),
        ("8, 8)", "8, 8", "FFE0001", 4, "add `)`"),
        ("8, 8)", "8, 8;)", "FFE0002", 4, "statements need no terminator: remove it"),
        ("[width, 2]", "[width, 2)", "FFE0001", 10, "write `]` instead of `)`"),
        ("layer s2:", "s2:", "FFE0001", 11, ""),
        ("hopfield {", "hopfield", "FFE0001", 9, "add `{`"),
        ("    }\n    out", "    out", "FFE0008", 14, "add `}`"),
        ("  }\n\n  readout", "\n  readout", "FFE0008", 16, "add `}`"),
        ("sweeps = 10 }", "sweeps = 10 } }", "FFE0009", 6, "leave it out"),
        ("out = s2", "out = = s2", "FFE0001", 15, "leave `=` out"),
        ("image(1", "image((1", "FFE0001", 4, "add `)`"),
        ("u  ->  s1", "->  s1", "FFE0001", 12, "a name is missing"),
    ],
)
def test_one_fault(old: str, new: str, code: str, line: int, help: str) -> None:
    result = recovered(changed(old, new))
    (fault,) = result.diagnostics
    assert (fault.code, line_of_report(fault)) == (code, line)
    assert help in fault.help
    assert result.program is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("param width: int", "param width int"),
        ("8, 8)", "8, 8"),
        ("hopfield {", "hopfield"),
        ("    }\n    out", "    out"),
        ("sweeps = 10 }", "sweeps = 10 } }"),
        ("out = s2", "out = = s2"),
        ("energy", "enrgy"),
    ],
)
def test_what_was_meant_is_understood_and_the_fix_says_it(old: str, new: str) -> None:
    text = changed(old, new)
    result = recovered(text)
    (fault,) = result.diagnostics
    assert fault.fix is not None
    mended = parse(SourceFile("t.ffe", fault.fix.apply(text)))
    assert result.program is not None and not result.names_lost
    assert names(result.program) == names(mended) == names(parse(SourceFile("t.ffe", TEXT)))


def names(program: ast.Program) -> list[str]:
    """Every name in the program in order, which tells the statements apart."""
    return re.findall(r"Ident\(span=Span\([^)]*\), text='(\w+)'\)", repr(program))


def test_every_fault_is_in_one_error() -> None:
    text = changed("param width: int", "param width int").replace("loss =", "loss :")
    with pytest.raises(SpecError) as caught:
        parse(SourceFile("t.ffe", text))
    assert [line_of_report(d) for d in caught.value.diagnostics] == [2, 19]


def test_statements_around_a_skipped_one_are_understood() -> None:
    result = recovered(changed("[width, 2] hard_sigmoid(0.5)", "[[ : ) = { } x"))
    assert result.program is not None and result.names_lost
    assert len(result.diagnostics) == 1
    model = result.program.items[1]
    assert isinstance(model, ast.Model)
    assert {type(s).__name__ for s in model.statements} >= {"Input", "Target", "Readout", "Loss"}
    assert "s2" in names(result.program) and "_" not in names(result.program)


def test_braces_of_a_text_without_indentation_are_found_by_the_parser() -> None:
    flat = re.sub(r"^ +", "", changed("    }\n    out", "    out"), flags=re.MULTILINE)
    (fault,) = recovered(flat).diagnostics
    assert (fault.code, line_of_report(fault)) == ("FFE0008", 14)


def test_a_block_from_a_template_needs_no_braces() -> None:
    text = changed("    }\n    out", "    out").replace("  readout", "  block c = t(b)\n  readout")
    (fault,) = recovered(text).diagnostics
    assert (fault.code, line_of_report(fault)) == ("FFE0008", 14)


def test_a_text_full_of_faults_is_given_up() -> None:
    result = recovered("param a int = 1\n" * (MAX_FAULTS + 10))
    assert result.program is None and len(result.diagnostics) == MAX_FAULTS


@pytest.mark.parametrize("text", ["ffe", "}", "{", "model", "model m", "1", '"', "\0", "in", "((("])
def test_fragments(text: str) -> None:
    assert recovered(text).diagnostics


@pytest.mark.parametrize("char", ["\u202e", "\u2066", "\x1b", "\0", "\r", "\ud800", "\u200b"])
def test_hidden_characters_are_refused_even_in_comments(char: str) -> None:
    (fault,) = recovered(changed("param width", f"# a{char}b\nparam width")).diagnostics
    assert fault.code == "FFE0002" and f"U+{ord(char):04X}" in fault.message
    assert not recovered(TEXT.replace("\n", "\r\n")).diagnostics


def test_no_message_shows_the_name_of_a_terminal() -> None:
    internal = re.compile(r"\b(" + "|".join([*KEYWORDS, *SYMBOLS, *CLASSES]) + r")\b|\$END")
    for mutant in draw(100, 3, seed=5):
        for fault in recovered(mutant.text).diagnostics:
            assert not internal.search(f"{fault.message} {fault.text} {fault.notes} {fault.help}")


def test_a_fault_that_is_not_reported_lowers_the_figures() -> None:
    assert found([3, 9], [4, 20]) == 1 and spurious([3, 9], [4, 20]) == 1
    assert found([3], []) == 0 and spurious([3], [3, 3]) == 1


def test_specs_without_faults_have_no_reports() -> None:
    assert not any(recovered(text).diagnostics for _, text in real_specs())


def test_a_line_of_faults_is_given_up_though_one_is_reported() -> None:
    many = recovered(f"model m {{ {'$ ' * MAX_MENDED} }}")
    assert many.program is None and 0 < len(many.diagnostics) < MAX_FAULTS
    few = recovered(f"model m {{ {'$ ' * (MAX_MENDED - 1)} }}")
    assert few.program is not None and few.diagnostics
