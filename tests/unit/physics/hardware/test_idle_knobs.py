"""Every hardware setting in every kind of block has an effect or a diagnostic."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import SourceFile, SpecError
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.language.registry import ARRAYS, HARDWARE, NOISES

KNOBS = {
    "read": ("noise = [read(0.1)]", ""),
    "state": ("noise = [state(0.1)]", ""),
    "array.range": ("weights = array(range=0.05)", ""),
    "array.levels": ("weights = array(levels=3)", ""),
    "array.write_noise": ("weights = array(write_noise=0.1)", ""),
    "array.mismatch": ("weights = array(mismatch=0.2)", ""),
    "array.transpose_mismatch": ("weights = array(transpose_mismatch=0.2)", ""),
    "pcm": ("weights = pcm()", ""),
    "pcm.range": ("weights = pcm(range=5)", "weights = pcm()"),
    "pcm.time": ("weights = pcm(time=86400)", "weights = pcm()"),
    "pcm.compensated": ("weights = pcm(compensated=true)", "weights = pcm()"),
    "pcm.transpose_mismatch": ("weights = pcm(transpose_mismatch=0.2)", "weights = pcm()"),
    "reram": ("weights = reram()", ""),
    "reram.range": ("weights = reram(range=5)", "weights = reram()"),
    "reram.after": ("weights = reram(after=day)", "weights = reram()"),
    "reram.transpose_mismatch": ("weights = reram(transpose_mismatch=0.2)", "weights = reram()"),
    "drives": ("drives = dac(2)", ""),
    "outputs": ("outputs = adc(2, range=1)", ""),
    "cotangents": ("cotangents = dac(2)", ""),
    "updates": ("updates = adc(2)", ""),
    "update_offset": ("update_offset = 0.1", ""),
    "seed": ("seed = 3", ""),
    "seed of a device with errors": ("seed = 3  update_offset = 0.1", "update_offset = 0.1"),
}
"""What to write for each, and what to be without it."""

WEIGHTS = {name for name in KNOBS if name.partition(".")[0] in ("array", "pcm", "reram")}
TRANSPOSE = {name for name in WEIGHTS if name.endswith("transpose_mismatch")}
OFFSET = {"update_offset", "seed of a device with errors"}

PAIR = "layer s1: [5] {0}\n layer s2: [4] {0}\n u -> s1\n s1 <-> s2 : linear()"
SINGLE = "layer s2: [4] hard_sigmoid\n u -> s2 : "
READOUT = "readout logits = b |> linear(3)"
SECOND = """block c {
    feedforward u = b |> linear(4)
    energy hopfield {
      layer s1: [4] hard_sigmoid
      u -> s1
    }
    out = s1
  }
  readout logits = c |> linear(3)"""


@dataclass(frozen=True)
class Context:
    """A network with one block on hardware, and the knobs that cannot act there."""

    refused: set[str]
    gradient: str = "ep(beta=0.3)"
    energy: str = "hopfield"
    body: str = PAIR.format("hard_sigmoid")
    rest: str = READOUT

    def text(self, keys: str) -> str:
        return f"""ffe 1.1
hardware h {{ {keys} }}
model m {{
  input  x: vector(6)
  target y: label(3)
  relax free   {{ sweeps = 15  tolerance = 0 }}
  relax nudged {{ sweeps = 10 }}
  gradient {self.gradient}
  block b {{
    feedforward u = x |> linear(5)
    energy {self.energy} on h {{
{self.body}
    }}
    out = s2
  }}
  {self.rest}
  loss = cross_entropy(logits, y)
}}
"""


NO_CONTRAST = {"cotangents", "updates", *OFFSET}
CONTEXTS = {
    "ep": Context(set()),
    "one-sided": Context(set(), "ep(beta=0.3, estimator=positive)"),
    "beta found": Context(set(), "ep(beta=auto)"),
    "aep": Context(set(), "aep(beta=0.3)"),
    "complex phases": Context(set(KNOBS), "ep(beta=0.3, points=4)", body=PAIR.format("tanh")),
    "implicit": Context(NO_CONTRAST, "implicit()"),
    "unrolled": Context(NO_CONTRAST, "unrolled()"),
    "nudged by the loss": Context({"outputs", "cotangents"}, "ep(beta=0.3, nudge=loss)"),
    "nudged by the loss, not last": Context(set(), "ep(beta=0.3, nudge=loss)", rest=SECOND),
    "followed by a block": Context(set(), rest=SECOND),
    "no weights": Context(WEIGHTS | OFFSET, body="layer s2: [5] tanh\n u -> s2"),
    "weights of a drive": Context(TRANSPOSE, body=SINGLE + "linear()"),
    "weights with feedback of their own": Context(
        TRANSPOSE, "aep(beta=0.3)", body=PAIR.format("tanh") + " { feedback = own }"
    ),
    "weaker feedback": Context(
        set(), "aep(beta=0.3)", body=PAIR.format("tanh") + " {feedback=0.5}"
    ),
    "term of a layer": Context(set(KNOBS), body=SINGLE + "linear()\n s2 : memory(4)"),
    "resistive": Context(TRANSPOSE, energy="resistive", body=PAIR.format("diode")),
    "oscillators": Context(TRANSPOSE, energy="oscillator", body=PAIR.format("angle")),
}


def result(spec: SpecIR) -> list[Tensor]:
    network = build(spec, dtype=torch.float64).train()
    x = torch.randn(6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.manual_seed(5)
    outcome = network(x, torch.arange(6) % 3)
    found = torch.autograd.grad(outcome.loss, list(network.parameters()), allow_unused=True)
    return [outcome.logits.detach(), *(g for g in found if g is not None)]


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_knob_acts_or_is_refused(name: str) -> None:
    context, refused = CONTEXTS[name], set()
    without: dict[str, list[Tensor]] = {}
    for knob, (keys, base) in KNOBS.items():
        try:
            compiled = compile_spec(SourceFile("a.ffe", context.text(keys)))
        except SpecError:
            refused.add(knob)
            continue
        if "FFEW021" in [warning.code for warning in compiled.warnings]:
            assert knob == "seed"
            continue
        if base not in without:
            without[base] = result(compile_spec(SourceFile("a.ffe", context.text(base))).spec)
        pairs = zip(result(compiled.spec), without[base], strict=True)
        assert not all(torch.equal(a, b) for a, b in pairs), f"{knob} changes nothing, silently"
    assert refused == context.refused


def test_every_knob_is_among_them() -> None:
    """Of every array, noise and key that there is."""
    calls = {name.partition(".")[0] for name in KNOBS}
    assert set(ARRAYS) - {"ideal"} <= calls and set(NOISES) <= calls
    assert {p.name for p in HARDWARE.parameters} - {"weights", "noise"} <= calls
    for name in set(ARRAYS) - {"ideal"}:
        assert {f"{name}.{p.name}" for p in ARRAYS[name].parameters} <= set(KNOBS)


def test_a_knob_that_acts_in_one_block_is_not_refused_for_another() -> None:
    second = SECOND.replace("hopfield {", "hopfield on h {")
    text = Context(set(), rest=second).text("weights = array(transpose_mismatch=0.2)")
    compile_spec(SourceFile("a.ffe", text))
    with pytest.raises(SpecError):
        compile_spec(SourceFile("a.ffe", text.replace("linear()", "linear() { feedback = own }")))


def test_outputs_of_a_block_nudged_by_the_loss_are_the_same_with_a_target_and_without() -> None:
    """Also where the converters act in another block."""
    second = SECOND.replace("hopfield {", "hopfield on h {")
    context = Context(set(), "ep(beta=0.3, nudge=loss)", rest=second)
    compiled = compile_spec(
        SourceFile("a.ffe", context.text("outputs = adc(2)  cotangents = dac(2)"))
    )
    network = build(compiled.spec, dtype=torch.float64).train()
    x = torch.randn(6, 6, dtype=torch.float64)
    network(x, torch.arange(6) % 3).loss.backward()
    network.eval()
    with torch.no_grad():
        assert torch.equal(network(x), network(x, torch.arange(6) % 3).logits)


@pytest.mark.parametrize("knob", ["cotangents", "updates", "update_offset"])
def test_a_knob_of_contrasts_is_idle_in_a_block_without_one(knob: str) -> None:
    """Also where it acts in another block."""
    second = SECOND.replace("hopfield {", "hopfield on h {").replace(
        "out = s1", "out = s1  gradient implicit()"
    )
    context = Context(set(), rest=second)
    of_last = []
    for keys in (KNOBS[knob][0], ""):
        network = build(
            compile_spec(SourceFile("a.ffe", context.text(keys))).spec, dtype=torch.float64
        )
        x = torch.ones(6, 6, dtype=torch.float64)
        network(x, torch.arange(6) % 3).loss.backward()
        weights = network.blocks[1].maps.parameters()
        of_last.append([weight.grad for weight in weights if weight.grad is not None])
    assert of_last[0] and all(torch.equal(a, b) for a, b in zip(*of_last, strict=True))
