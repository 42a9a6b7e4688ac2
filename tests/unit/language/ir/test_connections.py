"""Settings of couplings and drives, and numbers that may be words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.interchange.document import read_yaml, write_yaml
from ffebm_dsl.language.interchange.load import compile_document, to_plain, to_text
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import BlockIR, SpecIR
from ffebm_dsl.language.registry import CONNECTIONS, Kind, Parameter
from ffebm_dsl.language.syntax import format_source
from ffebm_dsl.tools.comparison.spec_comparison import compare

TEXT = """ffe 1.1
model m {
  input  x: vector(6)
  target y: vector(2)
  block b {
    energy hopfield {
      layer s1: [5] hard_sigmoid
      layer s2: [2] identity
      x  ->  s1 : linear() DRIVE
      s1 <-> s2 : linear() COUPLING
    }
    out = s2
  }
  loss = mse(b, y)
}
"""


def spec(coupling: str = "", drive: str = "", text: str = TEXT) -> SpecIR:
    source = text.replace("COUPLING", coupling).replace("DRIVE", drive)
    return compile_spec(SourceFile("m.ffe", source)).spec


def block(ir: SpecIR) -> BlockIR:
    return next(ir.model.blocks)


def faults(coupling: str = "", drive: str = "", text: str = TEXT) -> list[tuple[str, str, str]]:
    with pytest.raises(SpecError) as caught:
        spec(coupling, drive, text)
    return [(d.code, d.message, d.help) for d in caught.value.diagnostics]


def test_settings_are_in_the_ir_with_their_defaults() -> None:
    ir = spec("{ nonnegative = true }")
    assert block(ir).couplings[0].settings["nonnegative"] is True
    assert block(ir).drives[0].settings["nonnegative"] is False
    assert set(block(ir).couplings[0].settings) == set(CONNECTIONS["coupling"].names)
    assert spec("{ nonnegative = false }") == spec("{}") == spec()


def test_only_what_is_not_as_by_default_is_written_out() -> None:
    plain = to_plain(spec())
    assert "settings" not in plain["model"]["stages"][0]["couplings"][0]
    ir = spec("{ nonnegative = true }", "{ nonnegative = true }")
    plain = to_plain(ir)
    assert plain["model"]["stages"][0]["drives"][0]["settings"] == {"nonnegative": True}
    document = read_yaml(SourceFile("m.yaml", write_yaml(plain)))
    assert compile_document(document).spec == ir
    text = to_text(ir)
    assert "s1 <-> s2 : linear() { nonnegative = true }" in text
    assert compile_spec(SourceFile("m.ffe", text)).spec == replace(ir, parameters={})


def test_the_formatter_keeps_settings_and_comments_in_them() -> None:
    text = TEXT.replace("COUPLING", "{nonnegative=true}").replace("DRIVE", "{ # none yet\n }")
    formatted = format_source(SourceFile("m.ffe", text))
    assert "s1 <-> s2 : linear() { nonnegative = true }" in formatted
    assert "{  # none yet\n" in formatted
    assert format_source(SourceFile("m.ffe", formatted)) == formatted


def test_an_unknown_setting_is_an_error_with_the_nearest_one() -> None:
    ((code, message, help),) = faults("{ nonegative = true }")
    assert code == "FFE1006" and "`coupling` has nothing called `nonegative`" in message
    assert "nonnegative" in help


def test_texts_of_1_0_have_no_settings() -> None:
    old = TEXT.replace("ffe 1.1", "ffe 1.0").replace(" : linear() DRIVE", "").replace("[5]", "[6]")
    assert [f[0] for f in faults("{ nonnegative = true }", text=old)] == ["FFE0010"]


def test_a_setting_without_weights_changes_nothing_and_is_an_error() -> None:
    bare = TEXT.replace("x  ->  s1 : linear()", "x  ->  s1").replace("[5]", "[6]")
    assert [f[0] for f in faults("", "{ nonnegative = true }", bare)] == ["FFE3010"]


def test_weights_are_nonnegative_from_the_first_forward_pass_on() -> None:
    network = build(spec("{ nonnegative = true }"), seed=1)
    parameters = dict(network.named_parameters())
    held = parameters["stages.b.core.energy.couplings.s1_s2.ops.linear.weight"]
    free = parameters["stages.b.core.energy.drives.x_s1.ops.linear.weight"]
    assert (held >= 0).all() and (free < 0).any()
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        x = torch.randn(4, 6, generator=generator)
        optimizer.zero_grad()
        network(x).square().sum().backward()
        optimizer.step()
    network(x)
    assert (held >= 0).all() and (held == 0).any()


def test_diff_names_a_setting_that_differs() -> None:
    found = compare(spec(), spec("{ nonnegative = true }"))
    assert [(s.key, s.a, s.b) for s in found.settings] == [
        ("coupling s1_s2 nonnegative", "false", "true")
    ]


@pytest.fixture
def gain() -> Iterator[Parameter]:
    """A number of couplings that may be the word `own`, while a test runs."""
    table = CONNECTIONS
    before = table["coupling"]
    parameter = Parameter("gain", Kind.REAL, "a number", 1.0, choices=("own",))
    table._read["coupling"] = replace(before, parameters=(*before.parameters, parameter))
    yield parameter
    table._read["coupling"] = before


def test_a_word_may_be_in_the_place_of_a_number(gain: Parameter, tmp_path: Path) -> None:
    for text, value in (("own", "own"), ("0.5", 0.5), ("2", 2.0)):
        ir = spec(f"{{ gain = {text} }}")
        assert block(ir).couplings[0].settings["gain"] == value
        assert compile_spec(SourceFile("m.ffe", to_text(ir))).spec == replace(ir, parameters={})
    ((code, message, help),) = faults("{ gain = onw }")
    assert code == "FFE1010" and message == "`gain` is a number or one of own" and "own" in help
    ((code, message, _),) = faults('{ gain = "own" }')
    assert code == "FFE1009" and message == "`gain` takes a number or `own`"


LATERAL = TEXT.replace("x  ->", "s1 <-> s1 : linear() LATERAL\n      x  ->")


def lateral(settings: str) -> str:
    return LATERAL.replace("LATERAL", settings)


def test_a_diagonal_is_kept_at_zero() -> None:
    """From the start, after a step of the optimiser, in both ways of the coupling."""
    ir = spec(text=lateral("{ zero_diagonal = true feedback = own }"))
    network = build(ir, seed=0)
    weights = {n: p for n, p in network.named_parameters() if "s1_s1" in n and "bias" not in n}
    assert len(weights) == 2
    optimizer = torch.optim.SGD(weights.values(), lr=1.0)
    for _ in range(2):
        for weight in weights.values():
            assert not weight.diagonal().any() and weight.any()
            weight.grad = torch.ones_like(weight)
        optimizer.step()
        network.project()


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("COUPLING", "{ zero_diagonal = true }"),
        TEXT.replace("[5]", "[2]").replace(
            "x  ->", "s1 <-> s1 : linear(2) |> linear() { zero_diagonal = true }\n      x  ->"
        ),
        lateral("{ zero_diagonal = true }").replace("s1 <-> s1 : linear()", "s1 <-> s1"),
    ],
    ids=["two layers", "two matrices", "no weight"],
)
def test_a_diagonal_that_there_is_not_is_an_error(text: str) -> None:
    (fault,) = faults(text=text)
    assert fault[0] == "FFE3010" and "zero_diagonal" in fault[1]
