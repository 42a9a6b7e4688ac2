"""Faults planted in the physics, one at a time, are found by `ffebm check`.

Every spec passes its check, and does not with the fault. Finite differences of the loss are the
reference without any of the faulty code, so that they, or the unrolled sweeps, must disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest
from torch import Tensor

from ffebm_dsl.constructs.gradients import ep
from ffebm_dsl.constructs.terms.attention import Attention
from ffebm_dsl.constructs.terms.memory import Memory
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.energy import HopfieldEnergy
from ffebm_dsl.physics.energy.complex_states import ComplexOp
from ffebm_dsl.physics.energy.hopfield import BoundHopfield
from ffebm_dsl.physics.energy.oscillator import BoundOscillator
from ffebm_dsl.physics.energy.resistive import BoundResistive
from ffebm_dsl.physics.gradients.nudging import Nudge
from ffebm_dsl.physics.interfaces import ContrastiveEstimator, Phase
from ffebm_dsl.tools.checking import CheckSettings, check, kinks
from ffebm_dsl.tools.checking.check_report import CheckReport

Plant = Callable[[pytest.MonkeyPatch], None]


def spec(inside: str, *, gradient: str = "ep()", maps: str = "", loss: str = "") -> str:
    return f"""ffe 1.1
    model small {{
      input x: image(1, 4, 4)
      target y: label(3)
      init normal(std=0.3)
      relax free {{ order = synchronous damping = 0.4 }}
      relax nudged {{ order = synchronous damping = 0.4 }}
      gradient {gradient}
      block b {{
        {maps or "feedforward u = x |> flatten() |> linear(5)"}
        {inside}
        out = s2
        out inner = s1
      }}
      readout logits = b |> flatten() |> linear(3)
      {loss or "loss = cross_entropy(logits, y)"}
    }}"""


CHAIN = """energy hopfield {
    layer s1: [5] tanh
    layer s2: [4] tanh
    u -> s1
    s1 <-> s2 : linear() SETTING
}"""
TOKENS = """energy hopfield {
    layer s1: [4, 3] tanh
    layer s2: [4] tanh
    u -> s1
    s1 <-> s2 : flatten() |> linear()
    s1 : TERM
}"""
CIRCUIT = """energy resistive {
    layer s1: [5] diode
    layer s2: [4] identity
    u -> s1
    s1 <-> s2 : linear()
}"""
ANGLES = """energy oscillator {
    layer s1: [5] angle(-0.8)
    layer s2: [4] angle(-0.8)
    u -> s1
    s1 <-> s2 : linear()
}"""
PATCHES = "feedforward u = x |> patches(2) |> linear(3)"
TWO_LOSSES = """readout low = b.inner |> linear(3)
    loss = cross_entropy(logits, y) + 0.5 * cross_entropy(low, y)"""

SPECS = {
    "feedback": spec(CHAIN.replace("SETTING", "{ feedback = 0.3 }")),
    "asymmetric": spec(CHAIN.replace("SETTING", "{ feedback = own }"), gradient="aep()"),
    "points": spec(CHAIN.replace("SETTING", ""), gradient="ep(points=4)"),
    "memory": spec(TOKENS.replace("TERM", "memory(5)"), maps=PATCHES),
    "attention": spec(TOKENS.replace("TERM", "attention(heads=2, dim=2)"), maps=PATCHES),
    "resistive": spec(CIRCUIT),
    "oscillator": spec(ANGLES).replace("std=0.3", "std=0.1"),
    "inner": spec(CHAIN.replace("SETTING", ""), loss=TWO_LOSSES),
}


def no_feedback_factor(patch: pytest.MonkeyPatch) -> None:
    """The contrast and the nudge as if all layers had the weight 1."""
    patch.setattr(BoundHopfield, "layer_weights", (1.0, 1.0))
    patch.setattr(HopfieldEnergy, "require_layer_weights", lambda self: (1.0, 1.0))


def no_transposition(patch: pytest.MonkeyPatch) -> None:
    """AEP without its term ``(J^T - J) (s - s[0])``."""

    def plain(self: BoundHopfield, state: Any, force: Any, routings: Any) -> Any:
        return self.dynamics(force, routings)

    patch.setattr(BoundHopfield, "displaced", plain)


def conjugated(patch: pytest.MonkeyPatch) -> None:
    """A Hermitian product in the contrast of complex states."""
    right = ComplexOp.weight_gradient
    patch.setattr(ComplexOp, "weight_gradient", lambda self, x, y: right(self, x.conj(), y))


def pairs_counted_once(patch: pytest.MonkeyPatch) -> None:
    """Of conjugate phases only the one that is relaxed counts."""
    right = ep._circle

    def halved(points: int) -> tuple[Phase, ...]:
        return tuple(
            Phase(p.beta, p.weight / 2) if isinstance(p.beta, complex) else p for p in right(points)
        )

    patch.setattr(ep, "_circle", halved)


def stiffer(patch: pytest.MonkeyPatch) -> None:
    """Nodes that are stiffer than their conductances make them."""
    right = BoundResistive._fields

    def wrong(self: BoundResistive) -> dict[int, Tensor]:
        found = right(self)
        self.stiffness[0] = self.stiffness[0] * 1.1
        return found

    patch.setattr(BoundResistive, "_fields", wrong)


def force_of_queries_alone(patch: pytest.MonkeyPatch) -> None:
    """The attention of transformers: tokens are not drawn to those that attend to them."""

    def wrong(self: Attention, s: Tensor, weights: Any) -> Tensor:
        query, key = self._project(s, weights["query"]), self._project(s, weights["key"])
        share = (self.gamma * query @ key.transpose(-1, -2)).softmax(-1)
        return self._back(share @ key, weights["query"])

    patch.setattr(Attention, "force", wrong)


def twice_the_force(patch: pytest.MonkeyPatch) -> None:
    """The force of a memory without the factor 1/2 in its phi."""
    right = Memory.force
    patch.setattr(Memory, "force", lambda self, s, weights: 2 * right(self, s, weights))


def weaker_harmonic(patch: pytest.MonkeyPatch) -> None:
    """A force ``-K sin(2 s)`` of a harmonic ``-K/2 cos(2 s)``, too weak by a quarter."""
    right = BoundOscillator.pre_activation_and_stiffness

    def wrong(self: BoundOscillator, state: Sequence[Tensor], layer: int) -> tuple[Tensor, Tensor]:
        v, stiffness = right(self, state, layer)
        return v + 0.2 * (2 * state[layer]).sin(), stiffness

    patch.setattr(BoundOscillator, "pre_activation_and_stiffness", wrong)


def last_layer_alone(patch: pytest.MonkeyPatch) -> None:
    """A nudge that reaches no inner layer."""
    right = Nudge.on

    def wrong(self: Nudge, layer: int, state: Sequence[Tensor]) -> Tensor | None:
        return right(self, layer, state) if layer == len(state) - 1 else None

    patch.setattr(Nudge, "on", wrong)


MUTANTS: list[tuple[str, Plant]] = [
    ("feedback", no_feedback_factor),
    ("asymmetric", no_transposition),
    ("points", conjugated),
    ("points", pairs_counted_once),
    ("resistive", stiffer),
    ("attention", force_of_queries_alone),
    ("memory", twice_the_force),
    ("oscillator", weaker_harmonic),
    ("inner", last_layer_alone),
]


def agrees(name: str) -> bool:
    compiled = compile_spec(SourceFile(f"{name}.ffe", SPECS[name])).spec
    report = check(compiled, CheckSettings(samples=2, directions=1, sweeps=1000))
    return report.ok


@cache
def right_as_it_is(name: str) -> bool:
    return agrees(name)


@pytest.mark.parametrize(("name", "plant"), MUTANTS, ids=[plant.__name__ for _, plant in MUTANTS])
def test_it_is_caught(name: str, plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    assert right_as_it_is(name)
    plant(monkeypatch)
    assert not agrees(name)


ONE_SIDED = {
    "chain": spec(
        CHAIN.replace("SETTING", "{ feedback = 0.3 }"), gradient="ep(estimator=positive)"
    ),
    "oscillator": spec(ANGLES, gradient="ep(estimator=negative)").replace("std=0.3", "std=0.1"),
}


@pytest.fixture
def strong_nudges(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check at a beta so large that one-sided EP is off by percents, as next to a bifurcation."""
    monkeypatch.setattr(kinks, "CHECK_REACH", 0.01)


def report_of(text: str) -> CheckReport:
    compiled = compile_spec(SourceFile("one_sided.ffe", text)).spec
    return check(compiled, CheckSettings(samples=2, directions=1, sweeps=1000))


@pytest.mark.usefixtures("strong_nudges")
@pytest.mark.parametrize("name", ONE_SIDED)
def test_a_bias_that_falls_with_beta_is_no_fault(name: str) -> None:
    report = report_of(ONE_SIDED[name])
    assert report.ok and report.finer


@pytest.mark.usefixtures("strong_nudges")
@pytest.mark.parametrize(
    ("name", "plant"), [("chain", no_feedback_factor), ("oscillator", weaker_harmonic)]
)
def test_a_fault_is_one_beside_such_a_bias(
    name: str, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert not report_of(ONE_SIDED[name]).ok


@pytest.mark.usefixtures("strong_nudges")
def test_a_fault_of_a_few_percent_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is as large as the bias, and is there with nudges of any strength."""
    right = ContrastiveEstimator.nudges.fget
    assert right is not None
    monkeypatch.setattr(
        ContrastiveEstimator, "nudges", property(lambda self: tuple(0.98 * b for b in right(self)))
    )
    assert not report_of(ONE_SIDED["chain"]).ok
