"""``ffebm show``, and the counts that it prints."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import ffebm_dsl
from ffebm_dsl import SourceFile
from ffebm_dsl.cli.main import main
from ffebm_dsl.language.ir.model import CallIR, ModelIR, OpIR
from ffebm_dsl.language.ir.tools import notation
from ffebm_dsl.language.ir.tools.count import ModelCount, count, op_parameters
from ffebm_dsl.language.registry import OPS

LIBRARY = sorted((Path(__file__).parents[2] / "specs").rglob("*.ffe"))

SPEC = """
ffe 1.0
param width: int = 2 in [2, 4]
model all {{
  input x: image(1, 8, 8)
  target y: label(3)
  relax free {{ sweeps = 10  tolerance = 1e-3  order = forward  damping = 0.25 }}
  relax nudged {{ sweeps = 4  routing = frozen(after=2) }}
  gradient {gradient}
  feedforward pre = x |> conv2d(width, kernel=1) |> group_norm(2) |> relu
  block b1 {{
    feedforward u = pre |> conv2d(4, kernel=3, padding=1, groups=2, bias=false) |> batch_norm2d
    energy hopfield {{
      layer s1: [4, 8, 8] hard_sigmoid(0.5)
      layer s2: [6, 4, 4] tanh
      layer s3: [5]       identity
      u -> s1
      s1 <-> s2 : conv2d(kernel=3, padding=1) |> max_pool2d(2)
      s2 <-> s3 : flatten |> linear(bias=false)
      s3 <-> s3 : linear
    }}
    out = s3
    out skip = s2
  }}
  readout logits = b1.skip |> layer_norm |> flatten |> linear(3)
  loss = cross_entropy(logits, y)
}}
"""
EP = "ep(beta=0.2, estimator=centered)"


def text(gradient: str = EP) -> str:
    return SPEC.format(gradient=gradient)


def model(gradient: str = EP) -> ModelIR:
    return ffebm_dsl.compile_spec(SourceFile("all.ffe", text(gradient))).spec.model


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "all.ffe"
    path.write_text(text())
    return str(path)


def test_parameters_by_hand() -> None:
    counts = count(model())
    (pre,), (block,) = counts.maps, counts.blocks
    assert pre.parameters == (2 * 1 + 2) + 2 * 2
    assert [m.parameters for m in block.maps] == [4 * 1 * 9 + 2 * 4]
    assert [c.parameters for c in block.couplings] == [6 * 4 * 9 + 6, 5 * 96, 5 * 5 + 5]
    assert counts.readout.parameters == 2 * 96 + 96 * 3 + 3
    assert counts.analog_parameters == 222 + 480 + 30
    assert counts.parameters == 8 + 44 + 732 + 483


def test_operations_by_hand() -> None:
    counts = count(model())
    (block,) = counts.blocks
    assert counts.digital_macs == 64 * 2 * 1 + 64 * 4 * 9 + 3 * 96
    assert [c.macs for c in block.couplings] == [64 * 6 * 36, 5 * 96, 25]
    sweep = 2 * (13824 + 480 + 25)
    assert [phase.macs for phase in block.phases] == [10 * sweep, 2 * 4 * sweep]
    assert counts.free.macs == 10 * sweep
    assert counts.step.macs == 18 * sweep


def test_crossings_by_hand() -> None:
    """In: the drive, and when nudged the cotangents. Out: the outputs, then the driven layer."""
    free, nudged = count(model()).blocks[0].phases
    assert (free.runs, free.to_analog, free.to_digital) == (1, 256, 5 + 96)
    assert (nudged.runs, nudged.to_analog, nudged.to_digital) == (2, 256 + 101, 256)
    step = count(model()).step
    assert (step.to_analog, step.to_digital) == (256 + 2 * 357, 101 + 2 * 256)


def test_memory_by_hand() -> None:
    counts = count(model())
    state, activations = 256 + 96 + 5, 3 * 128 + 2 * 256 + 96 + 96 + 3
    assert counts.weight_bytes == 4 * counts.parameters
    assert counts.sample_bytes == 4 * (256 + 3 * state + activations)


@pytest.mark.parametrize(
    ("gradient", "backward", "states"),
    [
        ("ep(estimator=centered)", ("nudged", 2, 4), 3),
        ("ep(estimator=positive)", ("nudged", 1, 4), 2),
        ("ep(estimator=negative)", ("nudged", 1, 4), 2),
        ("implicit(sweeps=7)", ("adjoint", 1, 7), 2),
        ("unrolled(sweeps=7)", ("unrolled", 2, 7), 8),
    ],
)
def test_the_estimator_decides_what_the_backward_pass_costs(
    gradient: str, backward: tuple[str, int, int], states: int
) -> None:
    block = count(model(gradient)).blocks[0]
    phase = block.phases[1]
    assert (phase.name, phase.runs, phase.sweeps) == backward
    assert block.stored_states == states * 357


@pytest.mark.parametrize("source", [text(), *LIBRARY], ids=lambda s: getattr(s, "stem", "all"))
def test_the_built_network_has_as_many_parameters(source: str | Path) -> None:
    counts = count_of(source)
    network = ffebm_dsl.load(source)
    assert counts.parameters == sum(p.numel() for p in network.parameters())
    energies = [stage.core.energy for stage in network.stages if hasattr(stage, "core")]
    analog = [sum(p.numel() for p in energy.parameters()) for energy in energies]
    assert [block.analog_parameters for block in counts.blocks] == analog


def count_of(source: str | Path) -> ModelCount:
    given = SourceFile("all.ffe", source) if isinstance(source, str) else None
    return count(ffebm_dsl.compile_spec(given or ffebm_dsl.read_source(source)).spec.model)


OP_INPUTS: dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]] = {
    "patches": ("patches", (4, 8, 8), (16, 16)),
    "add": ("add(x)", (4, 8, 8), (4, 8, 8)),
    "concat": ("concat(x)", (4, 8, 8), (8, 8, 8)),
    "double": ("double", (4, 8, 8), (8, 8, 8)),
    "gain": ("gain(2.5)", (4, 8, 8), (4, 8, 8)),
    "conv2d": ("conv2d(6, kernel=3, groups=2)", (4, 8, 8), (6, 6, 6)),
    "linear": ("linear(3)", (5,), (3,)),
    "batch_norm1d": ("batch_norm1d", (5,), (5,)),
    "group_norm": ("group_norm(2)", (4, 8, 8), (4, 8, 8)),
    "max_pool2d": ("max_pool2d(2)", (4, 8, 8), (4, 4, 4)),
    "avg_pool2d": ("avg_pool2d(2)", (4, 8, 8), (4, 4, 4)),
    "softmax_pool2d": ("softmax_pool2d(2)", (4, 8, 8), (4, 4, 4)),
    "adaptive_avg_pool2d": ("adaptive_avg_pool2d(2)", (4, 8, 8), (4, 2, 2)),
    "flatten": ("flatten", (4, 8, 8), (256,)),
    "conv1d": ("conv1d(6, kernel=3, groups=2)", (4, 8), (6, 6)),
    "avg_pool1d": ("avg_pool1d(2)", (4, 8), (4, 4)),
    "max_pool1d": ("max_pool1d(2)", (4, 8), (4, 4)),
    "upsample2d": ("upsample2d", (4, 8, 8), (4, 16, 16)),
}
"""How an op is written, and its shapes, where they are not simply ``name`` on an image."""

INPUTS = {1: "vector({})", 2: "sequence({}, {})", 3: "image({}, {}, {})"}

ONE_OP = """
ffe 1.1
model one {{
  input x: {input}
  target y: label(10)
  block b1 {{
    feedforward u = x |> {op}
    energy hopfield {{
      layer s1: {shape} identity
      u -> s1
    }}
    out = s1
  }}
  readout logits = b1 |> {flatten} linear(10)
  loss = cross_entropy(logits, y)
}}
"""


def with_op(name: str) -> tuple[str, OpIR]:
    """A spec whose only map is this op, and the op in its IR."""
    written, in_shape, out_shape = OP_INPUTS.get(name, (name, (4, 8, 8), (4, 8, 8)))
    spec = ONE_OP.format(
        input=INPUTS[len(in_shape)].format(*in_shape),
        op=written,
        shape=list(out_shape),
        flatten="flatten |>" if len(out_shape) > 1 else "",
    )
    (block,) = ffebm_dsl.compile_spec(SourceFile("one.ffe", spec)).spec.model.blocks
    return spec, block.feedforwards[0].ops[0]


@pytest.mark.parametrize("name", OPS.visible())
def test_every_op_of_the_registry_is_counted_as_torch_counts_it(name: str) -> None:
    spec, op = with_op(name)
    network = ffebm_dsl.load(spec)
    (block,) = network.stages
    assert op_parameters(op) == sum(p.numel() for p in block.maps.parameters())


@pytest.mark.parametrize("name", OPS.visible())
def test_every_op_is_written_as_a_spec_writes_it(name: str) -> None:
    _, op = with_op(name)
    written = OP_INPUTS.get(name, (name,))[0]
    assert notation.feedforward_chain([op]) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "true"),
        (3, "3"),
        (1e-6, "1e-06"),
        ((1, 2.5), "[1, 2.5]"),
        ("centered", "centered"),
        (CallIR("hflip", {"p": 0.5}), "hflip(p=0.5)"),
        (CallIR("constant"), "constant"),
    ],
)
def test_values_are_written_as_in_a_spec(value: Any, written: str) -> None:
    assert notation.written(value) == written


def shown(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["show", *arguments]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_the_terminal(
    spec: str, width: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = shown(capfd, spec).splitlines()
    # The path of the spec is not broken, however long.
    assert max(map(len, lines[1:])) <= width
    assert not [line for line in lines if line != line.rstrip()]


def test_the_table_says_what_the_network_is(
    spec: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = shown(capfd, spec, "--set", "width=4")
    flat = re.sub(r" +", " ", out)
    for part in (
        "model all",
        "param width = 4",
        "feedforward pre = x |> conv2d(4, kernel=1) |> group_norm(2) |> relu",
        "layer s1: hard_sigmoid(slope=0.5)",
        "b1.u -> s1",
        "s1 <-> s2 : conv2d(kernel=3, padding=1) |> max_pool2d(2) [4, 8, 8] 222",
        "s3 <-> s3 : linear",
        "skip = s2",
        "free phase: at most 10 sweeps, tolerance 0.001, forward, damping 0.25",
        "2 nudged phases, each 4 sweeps, asynchronous_reversed, routing frozen(after=2)",
        "gradient ep(beta=0.2, estimator=centered, ",
        "readout logits = b1.skip |> layer_norm |> flatten |> linear(3)",
        "loss = cross_entropy(logits, y)",
    ):
        assert part in flat, part


def test_a_pipe_gets_no_escape_sequences(spec: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in shown(capfd, spec)


def test_json_is_one_object(spec: str, capfd: pytest.CaptureFixture[str]) -> None:
    out = shown(capfd, spec, "--json")
    assert out.count("\n") == 1
    record = json.loads(out)
    assert record["file"] == spec
    assert record["parameters"] == {"width": 2}
    assert [stage["kind"] for stage in record["model"]["stages"]] == ["feedforward", "block"]
    totals = record["counts"]["totals"]
    counts = count(model())
    assert totals["parameters"] == counts.parameters
    assert totals["all_phases"]["macs"] == counts.step.macs


def test_a_wrong_spec_exits_2(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.ffe"
    path.write_text(text().replace("tanh", "tahn"))
    assert main(["show", str(path)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "tanh" in err
    assert "\n1 error; `ffebm explain" in err


def test_an_unknown_setting_exits_2(spec: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["show", spec, "--set", "widht=4"]) == 2
    assert "width" in capfd.readouterr().err


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"a\0b", b" " * (1 << 20) + b" "])
def test_an_unreadable_spec_exits_2(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path = tmp_path / "spec.ffe"
    if content is not None:
        path.write_bytes(content)
    assert main(["show", str(path)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "spec.ffe" in err
