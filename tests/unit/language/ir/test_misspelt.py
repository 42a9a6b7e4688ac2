"""The line reported for an unknown name: its use, or the unused declaration."""

from __future__ import annotations

import pytest

from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec

SPEC = """\
ffe 1.0
param width: int = 8
param sweeps: int = 30
template pair(source: port, size: int) {
  feedforward u = source |> linear(size)
  energy hopfield {
    layer first: [size] tanh
    layer second: [size] tanh
    u -> first
    first <-> second : linear()
  }
  out = second
}
model m {
  input  x: vector(4)
  target y: label(3)
  relax free { sweeps = sweeps }
  block one = pair(x, width)
  block two = pair(one, size=width)
  readout logits = two |> linear(3)
  loss = cross_entropy(logits, y)
}
"""


def reports(old: str, new: str, spec: str = SPEC) -> list[tuple[int, str]]:
    """Line and code of what is said of the spec with ``old`` replaced, once."""
    assert old in spec
    with pytest.raises(SpecError) as caught:
        compile_spec(SourceFile("a.ffe", spec.replace(old, new, 1)))
    return [(d.source.position(d.span.start)[0], d.code) for d in caught.value.diagnostics]


def test_the_spec_is_right() -> None:
    assert compile_spec(SourceFile("a.ffe", SPEC)).warnings == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "code"),
    [
        ("param width", "param widht", 2, "FFE1001"),  # used twice
        ("param sweeps", "param sweeos", 3, "FFE1001"),  # used once, a word of the language
        ("template pair", "template pari", 4, "FFE1013"),
        ("size: int", "sise: int", 4, "FFE1001"),
        ("layer first", "layer frist", 7, "FFE1018"),
        ("source: port", "sorce: port", 5, "FFE1002"),  # used once: either may be the slip
    ],
)
def test_a_misspelt_declaration(old: str, new: str, line: int, code: str) -> None:
    assert reports(old, new) == [(line, code)]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("size=width", "size=widht", 19),  # the declaration is read elsewhere
        ("sweeps = sweeps", "sweeps = sweesp", 17),  # the declaration is a word of the language
        ("linear(size)", "linear(sice)", 5),
    ],
)
def test_a_misspelt_use(old: str, new: str, line: int) -> None:
    assert [found for found, _ in reports(old, new)] == [line]


def test_a_formal_is_not_meant_outside_its_template() -> None:
    spec = SPEC.replace("size: int", "sizes: int").replace("size=", "sizes=")
    spec = spec.replace("(size)", "(4)").replace("[size]", "[4]")
    twice = spec.replace("linear(3)", "linear(size) |> linear(size) |> linear(3)")
    assert [found for found, _ in reports("ffe 1.0", "ffe 1.0", twice)] == [20, 20]


def test_a_faulty_template_used_twice_has_no_unconnected_layers() -> None:
    assert reports("first <-> second", "first -> second") == [(10, "FFE3001")]
