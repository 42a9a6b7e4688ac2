"""Couplings that use the weights of another one."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import torch

from ffebm_dsl.build import build
from ffebm_dsl.cli.main import main
from ffebm_dsl.constructs.ops.linear import Linear
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.ir.tools.count import count
from ffebm_dsl.physics.energy import OpWeights
from ffebm_dsl.tools.checking import CheckSettings, check
from ffebm_dsl.tools.exporting.network_file import read_network, write_network
from tests.problems import normal

BLOCKS = {
    "dense": """energy hopfield {
        layer s1: [5] tanh(0.8)
        layer s2: [5] sigmoid(0.9)
        layer s3: [5] tanh
        u -> s1
        s1 <-> s2 : linear()
        s2 <-> s3 : linear() { TIED }
        s1 <-> s1 : linear() { TIED }
    }""",
    "kernels": """energy hopfield {
        layer s1: [2, 4, 4] tanh(0.8)
        layer s2: [2, 2, 2] tanh
        layer s3: [2, 2, 2] tanh
        u -> s1
        s1 <-> s2 : conv2d(kernel=3, padding=1) |> avg_pool2d(2)
        s2 <-> s3 : conv2d(kernel=3, padding=1) |> avg_pool2d(1) { TIED }
    }""",
    "transposed": """energy hopfield {
        layer s1: [5] tanh(0.8)
        layer s2: [3] sigmoid(0.9)
        layer s3: [5] tanh
        u -> s1
        s1 <-> s2 : linear()
        s3 <-> s2 : linear() { TIED feedback = 2 }
    }""",
    "feedback": """energy hopfield {
        layer s1: [5] tanh(0.8)
        layer s2: [5] sigmoid(0.9)
        layer s3: [5] tanh
        u -> s1
        s1 <-> s2 : linear() { feedback = 0.5 }
        s2 <-> s3 : linear() { feedback = 0.3 TIED }
    }""",
    "predictive": """energy hopfield {
        layer s1: [5] tanh(0.8)
        layer s2: [5] sigmoid(0.9)
        layer s3: [5] identity
        u -> s1
        s1 <-> s2 : linear()
        s1 <-> s3 : linear() { TIED feedback = -1 }
    }""",
    "aep": """energy hopfield {
        layer s1: [5] tanh(0.8)
        layer s2: [5] sigmoid(0.9)
        layer s3: [5] tanh
        u -> s1
        s1 <-> s2 : linear()
        s2 <-> s3 : linear() { TIED }
        s3 <-> s1 : linear() { feedback = own }
    }""",
    "resistive": """energy resistive {
        layer s1: [5] identity
        layer s2: [5] identity
        layer s3: [5] identity
        u -> s1
        s1 <-> s2 : linear()
        s2 <-> s3 : linear() { TIED }
    }""",
    "oscillator": """energy oscillator {
        layer s1: [5] angle(-0.8)
        layer s2: [5] angle(-0.8)
        layer s3: [5] angle(-0.8)
        u -> s1
        s1 <-> s2 : linear()
        s2 <-> s3 : linear() { TIED }
    }""",
}


def text_of(name: str, *, tied: bool = True) -> str:
    image = name == "kernels"
    maps = "conv2d(2, kernel=3, padding=1)" if image else "flatten() |> linear(5)"
    text = BLOCKS[name].replace("TIED", 'tied_to = "s1_s2"' if tied else "")
    return f"""ffe 1.1
    model small {{
      input x: image(1, 4, 4)
      target y: label(3)
      init normal(std={0.1 if name == "oscillator" else 0.25})
      relax free {{ order = synchronous damping = 0.4 }}
      relax nudged {{ order = synchronous damping = 0.4 }}
      gradient {"aep()" if name == "aep" else "ep()"}
      block b {{
        feedforward u = x |> {maps}
        {text}
        out = s3
      }}
      readout logits = b |> flatten() |> linear(3)
      loss = cross_entropy(logits, y)
    }}"""


def spec_of(name: str, *, tied: bool = True) -> SpecIR:
    return compile_spec(SourceFile("small.ffe", text_of(name, tied=tied))).spec


each = pytest.mark.parametrize("name", BLOCKS)


@each
def test_gradients_agree_with_finite_differences_and_unrolled_sweeps(name: str) -> None:
    report = check(spec_of(name), CheckSettings(samples=2, directions=1, sweeps=2000))
    assert report.ok
    tensors = {row.tensor for row in report.gradients}
    assert "b.s1_s2." in str(tensors) and "b.s2_s3." not in str(tensors)


@each
def test_a_gradient_is_the_sum_over_the_uses(name: str) -> None:
    tied = build(spec_of(name), dtype=torch.float64)
    alone = build(spec_of(name, tied=False), dtype=torch.float64)
    held, own = tied.state_dict(), alone.state_dict()
    uses = {n: re.sub("s2_s3|s3_s2|s1_s1|s1_s3", "s1_s2", n) for n in own}
    assert {uses[n] for n in own} == set(held) and len(own) > len(held)
    alone.load_state_dict({n: held[uses[n]] for n in own})
    x, y = normal(3, 1, 4, 4), torch.arange(3)
    for network in (tied, alone):
        network(x, y).loss.backward()
    expected = {n: torch.zeros_like(p) for n, p in tied.named_parameters()}
    for n, p in alone.named_parameters():
        assert p.grad is not None
        expected[uses[n]] += p.grad
    for n, p in tied.named_parameters():
        assert p.grad is not None
        assert torch.allclose(p.grad, expected[n], rtol=1e-10, atol=1e-14)


@each
def test_its_parameters_are_counted_once(name: str) -> None:
    spec = spec_of(name)
    network = build(spec)
    assert count(spec.model).parameters == sum(p.numel() for p in network.parameters())
    assert count(spec.model).parameters < count(spec_of(name, tied=False).model).parameters


def test_with_a_feedback_of_minus_1_it_is_the_energy_of_predictive_coding() -> None:
    energy = build(spec_of("predictive"), dtype=torch.float64).blocks[0].core.energy
    drive, s1, s2 = (
        normal(2, 5, seed=1),
        normal(2, 5, seed=2).tanh(),
        normal(2, 5, seed=3).sigmoid(),
    )
    weight, bias = (energy.weights()[f"s1_s2.linear.{name}"] for name in ("weight", "bias"))
    predicted = s1 @ weight.t() + bias
    first, second = (energy.layers[i].activation.potential(s) for i, s in enumerate((s1, s2)))
    expected = first - drive * s1 + second - s2.square() / 2 + (s2 - predicted).square() / 2
    found = energy.energy([s1, s2, predicted], [drive])
    assert torch.allclose(found, expected.sum(1), rtol=1e-12, atol=0)


def test_it_survives_files_and_copies(tmp_path: Path) -> None:
    spec = spec_of("dense")
    network, x = build(spec, seed=3), torch.randn(2, 1, 4, 4)
    write_network(tmp_path / "n.safetensors", network, spec)
    read, again = read_network(tmp_path / "n.safetensors")
    assert again.model == spec.model
    other = copy.deepcopy(network)
    with torch.no_grad():
        for p in network.parameters():
            p.zero_()
        logits = read(x)
        assert torch.equal(other(x), logits) and not torch.equal(network(x), logits)


def test_weights_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        OpWeights(Linear((4,), 3), tied_to=OpWeights(Linear((3,), 4)))


def test_transients_follow_each_weight_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.ffe"
    path.write_text(text_of("dense"), encoding="utf-8")
    assert main(["check", "--transients", "--sweeps", "12", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "b.s1_s2.linear.weight" in printed and "b.s2_s3" not in printed
