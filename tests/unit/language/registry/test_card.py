"""The cards that ``ffebm explain NAME`` prints: complete, and with examples that compile."""

from __future__ import annotations

import pytest

from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.registry import TABLES, DataConstruct, OpConstruct, TargetConstruct
from ffebm_dsl.language.registry.card import card, describe_parameter, example, example_of

ALL = [
    pytest.param(table.name, name, id=f"{table.name}.{name}")
    for table in TABLES.values()
    for name in table.visible()
]

SPEC = """ffe 1.1
model m {{
  {inputs}
  {targets}
  {initialisers}  {phases}  {routings}  {solvers}  {gradients}
  {ops}
  block b1 {{
    feedforward v = u |> flatten() |> linear(60)
    {energies}
    out = s1
  }}
  readout logits = b1 |> linear(3)
  {losses}
}}
train {{ {data}  {optimizers}  epochs = 1  {schedules}  {policies} }}
"""

STATED = {
    "inputs": "input x: image(6, 32, 32)",
    "targets": "target y: label(3)",
    "ops": "feedforward u = x |> relu",
    "energies": "energy hopfield { layer s1: [60] tanh  v -> s1 }",
    "losses": "loss = mse(logits, y)",
    "data": 'data = npz("a.npz")',
    "optimizers": "optimizer = adam",
}
"""What a spec must state, by the table that the statement is about."""

IN_THE_PLACE_OF = {"augmentations": "data", "groups": "optimizers"}


def spec(table: str, name: str) -> str:
    """A text with the construct's example in its place."""
    construct = TABLES[table][name]
    line = example(construct, TABLES[table])
    parts = dict.fromkeys(TABLES, "") | STATED | {IN_THE_PLACE_OF.get(table, table): line}
    if table == "activations":
        kind = "oscillator" if name == "angle" else "hopfield"
        parts["energies"] = f"energy {kind} {{ {line}  v -> s1 }}"
    if isinstance(construct, OpConstruct):
        op = example_of(construct)
        assert op is not None
        parts["inputs"] = input_of(op.in_shape)
    if isinstance(construct, TargetConstruct) and construct.of_input:
        parts["inputs"] = input_of((3,))
    data = TABLES["data"]["digits"] if table == "augmentations" else construct
    if isinstance(data, DataConstruct) and data.shapes:
        more = [input_of(shape, f"x{k}") for k, shape in enumerate(data.shapes[1:], start=2)]
        parts["inputs"] = "\n".join([input_of(data.shapes[0]), *more])
        parts["targets"] = f"target y: label({data.classes})"
        return SPEC.replace("linear(3)", f"linear({data.classes})").format(**parts)
    return SPEC.format(**parts)


def input_of(shape: tuple[int, ...], name: str = "x") -> str:
    kind = ("vector", "sequence", "image")[len(shape) - 1]
    return f"input {name}: {kind}({', '.join(map(str, shape))})"


@pytest.mark.parametrize(("table", "name"), ALL)
def test_the_example_compiles(table: str, name: str) -> None:
    compile_spec(SourceFile("m.ffe", spec(table, name)))


@pytest.mark.parametrize(("table", "name"), ALL)
def test_the_card_says_all_there_is(table: str, name: str) -> None:
    construct = TABLES[table][name]
    said = card(construct, TABLES[table])
    assert said.startswith(f"# {name}: {TABLES[table].noun}\n")
    facts = (construct.doc, construct.equation, construct.source, *construct.deviations)
    for fact in (*facts, *map(describe_parameter, construct.parameters)):
        assert fact in said


def test_a_card_counts_what_an_op_costs() -> None:
    said = card(TABLES["ops"]["linear"], TABLES["ops"])
    assert "Counts: [60] -> [3], 183 parameters, 180 multiply-accumulates per sample" in said
    assert "In couplings: yes" in said
    assert "feedforward u = x |> linear(3)" in said


def test_a_card_says_what_an_estimator_runs() -> None:
    said = card(TABLES["gradients"]["ep"], TABLES["gradients"])
    assert "Counts: 2 x nudged, 20 sweeps each at most; holds 2 further states" in said


NEEDS_AN_EQUATION = ("ops", "activations", "energies", "initialisers", "solvers", "gradients")
NEEDS_AN_EQUATION += ("losses", "optimizers", "schedules", "augmentations")


@pytest.mark.parametrize(("table", "name"), ALL)
def test_what_computes_something_has_an_equation(table: str, name: str) -> None:
    if table in NEEDS_AN_EQUATION:
        assert TABLES[table][name].equation
