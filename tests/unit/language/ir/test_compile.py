"""Compiled specs: defaults, inheritance, naming, nudging, overrides."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ffebm_dsl.language.diagnostics import InputError, SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec, read_source
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import BlockIR, CallIR, RelaxIR, SpecIR
from ffebm_dsl.language.ir.passes import run_stages
from ffebm_dsl.language.ir.tools.dump import to_json_dict

GOLDEN = Path(__file__).parents[3] / "golden"

BLOCK = """
  block {name} {{
    feedforward u = {source} |> flatten() |> linear(6)
    energy hopfield {{
      layer s1: [6] hard_sigmoid
      layer s2: [6] tanh
      u -> s1
      s1 <-> s2 : linear()
      s1 <-> s2
      {more}
    }}
    {settings}
    out = s2
  }}
"""


def spec(first: str = "", second: str = "", top: str = "", more: str = "", **sets: str) -> SpecIR:
    blocks = BLOCK.format(name="b1", source="x", more=more, settings=first)
    blocks += BLOCK.format(name="b2", source="b1", more="", settings=second)
    text = f"""ffe 1.0
model m {{
  input x: image(1, 8, 8)
  target y: label(10)
  {top}
  {blocks}
  readout logits = b2 |> linear(10)
  loss = cross_entropy(logits, y)
}}
train {{ data = digits()  optimizer = adam()  epochs = 3 }}
"""
    return compile_spec(SourceFile("t.ffe", text), sets).spec


def blocks(ir: SpecIR) -> tuple[BlockIR, ...]:
    return tuple(ir.model.blocks)


def test_defaults_are_filled_in() -> None:
    block = blocks(spec())[0]
    common = (0.0, 1.0, CallIR("live"), CallIR("auto"), ())
    assert block.free == RelaxIR(100, 1e-5, "asynchronous", *common, "zeros")
    assert block.nudged == RelaxIR(20, 0.0, "asynchronous_reversed", *common, "free state")
    assert block.gradient.name == "ep"
    stated = {"beta": 0.2, "estimator": "centered", "nudge": "cotangent"}
    assert block.gradient.arguments.items() >= stated.items()
    assert block.init.name == "default"


def test_relax_is_inherited_key_by_key() -> None:
    ir = spec(top="relax free { sweeps = 7 damping = 0.5 }", first="relax free { sweeps = 9 }")
    first, second = blocks(ir)
    assert first.free == replace(second.free, sweeps=9)
    assert (second.free.sweeps, second.free.damping) == (7, 0.5)


def test_gradient_and_init_override_whole() -> None:
    ir = spec(
        top="gradient ep(beta=0.1) init goe(variance=1)", first="gradient ep() init default()"
    )
    first, second = blocks(ir)
    assert (first.gradient.arguments["beta"], second.gradient.arguments["beta"]) == (0.2, 0.1)
    assert (first.init.name, second.init.name, ir.model.init.name) == ("default", "goe", "goe")


def test_routing() -> None:
    ir = spec(first="relax free { routing = frozen }", second="relax free { routing = frozen(3) }")
    assert [block.free.routing.arguments["after"] for block in blocks(ir)] == [20, 3]


def test_solver_and_start() -> None:
    ir = spec(
        top="relax nudged { solver = anderson(memory=3) }",
        first="relax free { solver = anderson  start = feedforward }",
    )
    first, second = blocks(ir)
    assert first.free.solver == CallIR("anderson", {"memory": 5})
    assert second.free.solver == CallIR("auto")
    assert (first.free.start, second.free.start) == ("feedforward", "zeros")
    assert (first.nudged.solver.arguments, first.nudged.start) == ({"memory": 3}, "free state")


def test_nudge_by_the_loss_holds_for_the_last_block_alone() -> None:
    first, second = blocks(spec(top="gradient ep(nudge=loss)"))
    assert first.gradient.arguments["nudge"] == "cotangent"
    assert second.gradient.arguments["nudge"] == "loss"


def test_nudge_by_the_loss_stated_in_the_last_block() -> None:
    first, second = blocks(spec(second="gradient ep(nudge=loss)"))
    assert first.gradient.arguments["nudge"] == "cotangent"
    assert second.gradient.arguments["nudge"] == "loss"


def test_couplings_are_named_after_their_ends() -> None:
    block = blocks(spec(more="s2 <-> s1  s2 <-> s2 : linear(bias=false)"))[0]
    assert [c.name for c in block.couplings] == ["s1_s2", "s1_s2_2", "s2_s1", "s2_s2"]


def test_output_count_comes_from_the_end_layer() -> None:
    block = blocks(spec())[0]
    assert block.couplings[0].ops[0].arguments["out_features"] == 6


def test_spec_without_readout_has_an_empty_one() -> None:
    text = (GOLDEN / "good" / "constructs.ffe").read_text(encoding="utf-8")
    model = compile_spec(SourceFile("c.ffe", text)).spec.model
    assert (model.readout.source, model.readout.ops) == ("b3.out", ())
    assert model.readout.in_shape == model.readout.out_shape == (6,)


def test_overrides_change_train_keys_and_arguments() -> None:
    train = spec(**{"epochs": "2 * 4", "optimizer.lr": "1e-2", "data.batch": "8"}).train
    assert train is not None
    assert (train.epochs, train.optimizer.arguments["lr"]) == (8, 1e-2)
    assert train.data.arguments["batch"] == 8


def test_overrides_change_the_models_gradient_and_initialiser() -> None:
    plain = spec(first="gradient ep(beta=0.4)")
    ir = spec(
        first="gradient ep(beta=0.4)",
        **{"gradient.sweeps": "7", "gradient": "implicit()", "init": "goe(variance=1)"},
    )
    first, second = blocks(ir)
    assert first.gradient == blocks(plain)[0].gradient, "a block keeps what it states itself"
    assert (second.gradient.name, second.gradient.arguments["sweeps"]) == ("implicit", 7)
    assert ir.model.init.name == second.init.name == "goe"
    nudged = blocks(spec(**{"gradient.nudge": "loss"}))
    assert [block.gradient.arguments["nudge"] for block in nudged] == ["cotangent", "loss"]


def test_overrides_change_phases_of_the_model_and_of_a_block() -> None:
    ir = spec(
        first="relax free { sweeps = 9 }",
        **{"relax.free.sweeps": "30", "relax.free.damping": "0.5", "relax.nudged.sweeps": "4"},
    )
    first, second = blocks(ir)
    assert (first.free.sweeps, second.free.sweeps) == (9, 30), "a block keeps its own keys"
    assert first.free.damping == second.free.damping == 0.5
    assert first.nudged.sweeps == second.nudged.sweeps == 4
    name = first.name
    own = {f"{name}.relax.free.sweeps": "11", f"{name}.gradient": "implicit()"}
    own |= {f"{name}.gradient.sweeps": "70", f"{name}.init": "goe(variance=1)"}
    first, second = blocks(spec(first="relax free { sweeps = 9 }", **own))
    assert (first.free.sweeps, first.gradient.name, first.init.name) == (11, "implicit", "goe")
    assert first.gradient.arguments["sweeps"] == 70
    assert second == blocks(spec())[1]


def test_an_override_that_every_block_overrules_is_refused() -> None:
    own = {"first": "relax free { sweeps = 9 }", "second": "relax free { sweeps = 8 }"}
    with pytest.raises(SpecError) as caught:
        spec(**own, **{"relax.free.sweeps": "6"})
    (fault,) = caught.value.diagnostics
    assert fault.code == "FFE1022" and "BLOCK.relax.free.sweeps=" in fault.help
    assert spec(**own, **{"b1.relax.free.sweeps": "9"}) == spec(**own), "the text's own value"
    by_set = {"b1.relax.free.sweeps": "4", "b2.relax.free.sweeps": "5"}
    with pytest.raises(SpecError, match="every block states its own"):
        spec(**by_set, **{"relax.free.sweeps": "6"})


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("relax", "3", "FFE1019"),
        ("relax.free", "3", "FFE1019"),
        ("relax.free.sweep", "3", "FFE1019"),
        ("relax.free.sweeps", "many", "FFE1001"),
        ("relax.nudged.start", "zeros", "FFE1019"),
        ("b1", "3", "FFE1019"),
        ("b1.relax.free.sweeps", "0.5", "FFE1011"),
        ("b1.layer", "3", "FFE1019"),
        ("b3.relax.free.sweeps", "3", "FFE1019"),
        ("gradient", "ipm()", "FFE1005"),
        ("gradient", "3", "FFE1009"),
        ("gradient", "implicit(tolerance=0)", "FFE1010"),
        ("gradient.bet", "1", "FFE1019"),
        ("init", "goe()", "FFE1007"),
        ("optimizer.groups", "[scale(c)]", "FFE5005"),
        ("epoch", "3", "FFE1019"),
        ("epochs", "1.5", "FFE1011"),
        ("epochs", "0", "FFE1010"),
        ("epochs", "many", "FFE1001"),
        ("epochs", "", "FFE0003"),
        ("optimizer", "adma()", "FFE1005"),
        ("optimizer.lr", "true", "FFE1009"),
        ("data", "mnist()", "FFE5002"),
        ("data", 'npz("/etc/passwd")', "FFE5004"),
    ],
)
def test_overrides_are_checked_like_the_text(key: str, value: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec(**{key: value})
    (fault,) = caught.value.diagnostics
    assert fault.code == code
    assert (fault.source.name, fault.source.text) == ("--set", f"{key}={value}")


def test_equal_texts_give_equal_specs_and_different_ones_do_not() -> None:
    assert spec() == spec()
    assert spec() != spec(first="relax free { sweeps = 9 }")


def test_layout_means_nothing() -> None:
    text = (GOLDEN / "good" / "hybrid3.ffe").read_text(encoding="utf-8")
    flat = " ".join(line.partition("#")[0] for line in text.splitlines())
    assert compile_spec(SourceFile("a", text)).spec == compile_spec(SourceFile("b", flat)).spec


def test_unknown_data_set_is_the_only_fault_of_a_spec_for_other_data() -> None:
    text = (GOLDEN / "good" / "hybrid3.ffe").read_text(encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        compile_spec(SourceFile("a", text.replace('npz("cifar10.npz", ', "svhn(")))
    assert [d.code for d in caught.value.diagnostics] == ["FFE1005"]


def test_dump_is_plain_json() -> None:
    ir = spec()
    assert json.loads(json.dumps(to_json_dict(ir), allow_nan=False)) == to_json_dict(ir)
    assert [stage["kind"] for stage in to_json_dict(ir)["model"]["stages"]] == ["block", "block"]


def test_stages_are_in_order() -> None:
    text = (GOLDEN / "good" / "hybrid3.ffe").read_text(encoding="utf-8")
    source = SourceFile("a", text)
    names = [stage.name for stage in run_stages(source, {}, Log(source))]
    assert names == ["parse", "resolve", "infer_shapes", "lower"]


def test_read_source(tmp_path: Path) -> None:
    path = tmp_path / "a.ffe"
    path.write_bytes(b"\xef\xbb\xbfffe 1.0\r\n")
    assert read_source(path) == SourceFile(str(path), "ffe 1.0\r\n")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "UTF-8"),
        (b"a\0b", "NUL bytes: it is not a text\n  = help: save it as UTF-8"),
        (b"#" * (2**20 + 1), "larger"),
    ],
)
def test_read_source_refuses(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.ffe"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_source(path)


def test_read_source_needs_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_source(tmp_path / "missing.ffe")
    with pytest.raises(InputError, match="a directory"):
        read_source(tmp_path)
    with pytest.raises(InputError):
        read_source("a\0b")
