"""Networks that are too large are refused from the text alone, naming the largest part."""

from __future__ import annotations

import pytest

from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.ir import BUDGET, Budget, compile_spec
from ffebm_dsl.language.ir.resolve.templates import MAX_EXPANDED, MAX_STAGES
from ffebm_dsl.language.ir.tools.count import count
from tests.unit.language.diagnostics.pages import examples

TEXT = examples("FFE6001")["Corrected"].text


def fault_of(text: str, budget: Budget | None = BUDGET) -> str:
    with pytest.raises(SpecError) as caught:
        compile_spec(SourceFile("t.ffe", text), {}, budget)
    faults = caught.value.diagnostics
    assert {fault.code for fault in faults} in ({"FFE6001"}, {"FFE6002"})
    return "\n".join(f"{fault.message} {fault.help}" for fault in faults)


def test_the_limit_is_exact() -> None:
    model = compile_spec(SourceFile("t.ffe", TEXT)).spec.model
    parameters = count(model).parameters
    numbers = count(model).sample_bytes // 4
    source = SourceFile("t.ffe", TEXT)
    assert compile_spec(source, {}, Budget(parameters, numbers)).spec.model == model
    assert "parameters" in fault_of(TEXT, Budget(parameters - 1, numbers))
    assert "states and activations" in fault_of(TEXT, Budget(parameters, numbers - 1))


def test_the_largest_part_is_named_and_the_way_to_allow_it() -> None:
    said = fault_of(TEXT.replace("2000", "100000"))
    assert said.startswith("block `b` has 30,0") and "--allow-large" in said
    readout = TEXT.replace("linear(10)", "linear(2000000000) |> linear(10)")
    assert fault_of(readout).startswith("readout `logits` has")
    source = SourceFile("t.ffe", TEXT.replace("2000", "100000"))
    assert count(compile_spec(source, {}, None).spec.model).parameters > BUDGET.parameters


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("int = 2000", "int = 2147483647"),
        ("    out = s2", "    gradient unrolled(sweeps=2000000000)\n    out = s2"),
        ("linear(width)", "linear(2147483647) |> linear(2147483647) |> linear(width)"),
        ("image(1, 8, 8)", "image(1, 40000, 40000)"),
    ],
)
def test_bombs(old: str, new: str) -> None:
    assert "--allow-large" in fault_of(TEXT.replace(old, new))


def test_expansion_is_bounded_before_it_happens() -> None:
    template = "template t(p: port) { " + "out = s # " + "x" * (MAX_EXPANDED // 50) + "\n}\n"
    blocks = "".join(f"block b{i} = t(x) " for i in range(60))
    model = f"model m {{ input x: vector(1) target y: vector(1) loss = mse(b1, y) {blocks} }}"
    assert "characters" in fault_of(f"ffe 1.0\n{template}{model}")
    maps = "".join(f"feedforward f{i} = x " for i in range(MAX_STAGES + 1))
    model = f"model m {{ input x: vector(1) target y: vector(1) {maps} }}"
    assert f"{MAX_STAGES} stages" in fault_of(f"ffe 1.0\n{model}")
