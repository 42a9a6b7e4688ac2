"""The check finds planted faults, and nothing otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ffebm_dsl.constructs.gradients.bptt import BackpropagationThroughTime
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.constructs.ops.conv2d import Conv2d
from ffebm_dsl.language.diagnostics import SourceFile, render
from ffebm_dsl.language.ir import Compiled, compile_spec
from ffebm_dsl.language.registry import GRADIENTS, Backward, register
from ffebm_dsl.physics.energy.hopfield import BoundHopfield
from ffebm_dsl.physics.interfaces import (
    ContrastiveEstimator,
    Cost,
    EnergyGradient,
    Equilibrium,
    Estimator,
    GradientEstimate,
    Phase,
    Routings,
    State,
    Weights,
)
from ffebm_dsl.physics.network import block as block_module
from ffebm_dsl.tools.checking import CheckSettings, check, findings
from ffebm_dsl.tools.checking.beta_sweep import observed_order
from ffebm_dsl.tools.checking.check_report import CheckReport

SPEC = """ffe 1.0
model two {
  input  x: image(1, 6, 6)
  target y: label(3)
  relax free   { sweeps = 30 }
  relax nudged { sweeps = 15 }
  gradient ep(beta=0.1)
  init normal(std=0.3)
  block b1 {
    feedforward u = x |> conv2d(2, kernel=3, padding=1)
    energy hopfield {
      layer s1: [2, 6, 6] ACTIVATION
      layer s2: [3, 3, 3] ACTIVATION
      u -> s1
      s1 <-> s2 : conv2d(kernel=3, padding=1) |> POOL(2)
    }
    out = s2
  }
  block b2 {
    feedforward u = b1 |> conv2d(3, kernel=3, padding=1) |> batch_norm2d()
    energy hopfield {
      layer s1: [3, 3, 3] ACTIVATION
      layer s2: [3, 3, 3] ACTIVATION
      u -> s1
      s1 <-> s2 : conv2d(kernel=3, padding=1)
    }
    out = s2
  }
  readout logits = b2 |> flatten() |> linear(3)
  loss = cross_entropy(logits, y)
}
"""
RESPONSE_GRADIENT = BoundHopfield.response_gradient
QUICK = CheckSettings(samples=3, directions=3, sweeps=2000)


def compiled(activation: str = "tanh(0.5)", pool: str = "avg_pool2d", text: str = SPEC) -> Compiled:
    text = text.replace("ACTIVATION", activation).replace("POOL", pool)
    return compile_spec(SourceFile("two.ffe", text))


def report_of(spec: Compiled) -> CheckReport:
    return check(spec.spec, QUICK)


def wrong(report: CheckReport) -> set[str]:
    return {row.tensor for row in report.gradients if not row.agrees}


@pytest.fixture(scope="module")
def right() -> tuple[Compiled, CheckReport]:
    spec = compiled()
    return spec, report_of(spec)


def test_a_right_network_passes(right: tuple[Compiled, CheckReport]) -> None:
    spec, report = right
    assert report.ok
    assert findings(report, spec.source, spec.places) == []
    assert max(row.comparison.relative_error for row in report.gradients) < 1e-4


def test_it_covers_every_parameter_and_block_input(right: tuple[Compiled, CheckReport]) -> None:
    _, report = right
    pairs = {(row.estimator, row.reference) for row in report.gradients}
    assert pairs == {
        ("ep", "implicit"),
        ("ep", "unrolled"),
        ("ep", "finite_differences"),
        ("implicit", "finite_differences"),
        ("unrolled", "implicit"),
        ("unrolled", "finite_differences"),
    }
    tensors = {row.tensor for row in report.gradients}
    assert {
        "b1.input(x)",
        "b2.input(b1.out)",
        "b1.u.conv2d.weight",
        "readout.linear.bias",
    } < tensors
    assert "b1.s1_s2.conv2d.weight" in tensors and "b2.u.batch_norm2d.weight" in tensors
    assert len(report.gradients) == len(tensors) * len(pairs)


def test_the_bias_before_batch_norm_vanishes(right: tuple[Compiled, CheckReport]) -> None:
    _, report = right
    rows = [row for row in report.gradients if row.tensor == "b2.u.conv2d.bias"]
    assert all(row.comparison.vanishes and row.agrees for row in rows)
    told = [row.to_dict() for row in rows]
    assert all((r["cosine"], r["relative_error"], r["vanishes"]) == (1.0, 0.0, True) for r in told)


def test_observed_orders(right: tuple[Compiled, CheckReport]) -> None:
    _, report = right
    orders = {sweep.estimator: sweep.observed_order for sweep in report.beta_sweep}
    assert orders["centered"] == pytest.approx(2.0, abs=0.2)
    assert orders["positive"] == pytest.approx(1.0, abs=0.2)
    assert orders["negative"] == pytest.approx(1.0, abs=0.2)


def test_a_fit_needs_two_errors_above_rounding() -> None:
    assert observed_order([0.1, 0.05], [1e-12, 1e-13]) is None
    assert observed_order([0.1, 0.05], [1e-2, 1e-12]) is None
    assert observed_order([1e-4, 5e-5], [1e-9, 2e-9]) is None  # grows as 1 / beta: rounding
    assert observed_order([0.4, 0.2, 0.1], [4.0, 1.0, 0.25]) == pytest.approx(2.0)


def test_relaxations_are_reported_as_configured_and_converged(
    right: tuple[Compiled, CheckReport],
) -> None:
    _, report = right
    keys = {(row.block, row.phase, row.settings) for row in report.relaxation}
    for block in ("b1", "b2"):
        assert {(block, "free", "spec"), (block, "nudged", "spec")} <= keys
        assert {(block, phase, "check") for phase in ("free", "nudged", "adjoint")} <= keys
    for row in report.relaxation:
        if row.settings == "check":
            assert set(row.statuses) == {"converged"}


def detached_adjoint(self: Conv2d, y: torch.Tensor, weights: Weights) -> torch.Tensor:
    """The fault of the paper's own code: the top-down weight carries no gradient."""
    s = self.stencil()
    rest = s.unread(self.in_shape[1:])
    return F.conv_transpose2d(
        y, weights["weight"].detach(), None, s.stride, s.padding, rest, s.groups, s.dilation
    )


def flipped_cotangent(original: Callable[..., Any]) -> Callable[..., Any]:
    """A block that hands the cotangent up the chain with the wrong sign."""

    def backward(ctx: Any, *cotangents: torch.Tensor) -> Any:
        none, *gradients = original(ctx, *cotangents)
        drives = ctx.plan.drives
        return none, *(-g for g in gradients[:drives]), *gradients[drives:]

    return backward


def half_of_the_mixed_derivative(
    self: BoundHopfield, state: State, response: State, scale: torch.Tensor, routings: Routings
) -> EnergyGradient:
    """Implicit differentiation that forgets that a coupling works both ways."""
    right = RESPONSE_GRADIENT(self, state, response, scale, routings)
    return right._replace(weights={name: 0.5 * g for name, g in right.weights.items()})


def test_a_detached_adjoint_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conv2d, "adjoint", detached_adjoint)
    spec = compiled()
    report = report_of(spec)
    assert not report.ok
    assert wrong(report) >= {"b1.s1_s2.conv2d.weight", "b2.s1_s2.conv2d.weight"}
    faults = [row for row in report.gradients if not row.agrees]
    assert {row.estimator for row in faults} == {"ep", "unrolled"}
    messages = [d.message for d in findings(report, spec.source, spec.places)]
    assert any("unrolled gradient of `b1.s1_s2.conv2d.weight` in block `b1`" in m for m in messages)


def test_a_flipped_cotangent_between_blocks_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    function = block_module._Equilibrate
    monkeypatch.setattr(function, "backward", staticmethod(flipped_cotangent(function.backward)))
    spec = compiled()
    report = report_of(spec)
    assert not report.ok
    # Each hop flips once more: b2's couplings are right, what lies between the blocks is
    # wrong, and what lies in front of both is right again.
    assert {"b2.input(b1.out)", "b2.u.conv2d.weight", "b1.s1_s2.conv2d.weight"} <= wrong(report)
    assert not {"b2.s1_s2.conv2d.weight", "b1.u.conv2d.weight", "b1.input(x)"} & wrong(report)
    rows = {
        (row.tensor, row.estimator): row.comparison.cosine
        for row in report.gradients
        if row.reference == "finite_differences"
    }
    assert rows["b2.input(b1.out)", "ep"] == pytest.approx(-1.0, abs=1e-3)
    first = findings(report, spec.source, spec.places)[0]
    assert first.code == "FFE4004"
    assert "two.ffe:" in render(first)


def test_half_a_mixed_derivative_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundHopfield, "response_gradient", half_of_the_mixed_derivative)
    report = report_of(compiled())
    assert {row.estimator for row in report.gradients if not row.agrees} >= {"implicit"}


def test_kinks_are_surveyed_and_avoided() -> None:
    report = report_of(compiled("hard_sigmoid(0.5)"))
    assert report.ok
    assert all(kink.crossings == 0 for kink in report.kinks)
    assert {kink.configured_beta for kink in report.kinks} == {0.1}


def test_finite_differences_tell_what_they_had_to_go_by(
    right: tuple[Compiled, CheckReport],
) -> None:
    _, report = right
    tensors = {row.tensor for row in report.gradients}
    assert {row.tensor for row in report.differences} == tensors
    assert all(row.judged == row.wanted and row.set_aside == 0 for row in report.differences)


@pytest.mark.parametrize("factor", [-1.0, 1.02])
def test_a_wrong_gradient_among_kinks_is_caught(
    factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scaled(self: BoundHopfield, *args: Any) -> EnergyGradient:
        right = RESPONSE_GRADIENT(self, *args)
        return right._replace(weights={name: factor * g for name, g in right.weights.items()})

    monkeypatch.setattr(BoundHopfield, "response_gradient", scaled)
    report = report_of(compiled("hard_sigmoid(0.5)", "max_pool2d"))
    by_differences = {
        row.estimator
        for row in report.gradients
        if row.reference == "finite_differences" and not row.agrees
    }
    assert not report.ok and by_differences == {"implicit"}


ON_A_KINK = """ffe 1.0
model m {
  input  x: vector(6)
  target y: label(3)
  block b {
    init normal(std=1e-9)
    feedforward u = x |> linear(5, bias=false)
    energy hopfield {
      layer s: [5] relu
      u -> s
    }
    out = s
  }
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}
"""
"""With weights of next to nothing every state sits where `relu` begins to rise."""


def test_a_loss_with_kinks_everywhere_is_not_judged() -> None:
    spec = compiled(text=ON_A_KINK)
    report = report_of(spec)
    assert not report.ok
    assert report.unjudged == {"b.u.linear.weight"}
    told = {d.code for d in findings(report, spec.source, spec.places)}
    assert told == {"FFE4006", "FFEW009"}
    judged = {row.tensor for row in report.gradients if row.reference == "finite_differences"}
    assert judged and not report.unjudged & judged
    assert report_of(compiled(text=ON_A_KINK.replace("1e-9", "0.5"))).ok


def test_max_pooling_is_frozen_only_where_needed() -> None:
    report = report_of(compiled("hard_sigmoid(0.5)", "max_pool2d"))
    assert report.ok
    assert set(report.frozen) <= {"b1"}


def test_a_block_without_a_fixed_point_is_not_ok() -> None:
    text = SPEC.replace("normal(std=0.3)", "normal(std=4.0)")
    spec = compiled("identity", text=text)
    report = check(spec.spec, CheckSettings(samples=2, directions=1, sweeps=60))
    assert not report.ok
    assert report.unconverged
    codes = {d.code for d in findings(report, spec.source, spec.places)}
    assert "FFE4005" in codes
    assert report.to_dict()["unconverged"] == report.unconverged


def test_the_network_checked_is_the_specs_own_loss_nudge() -> None:
    text = SPEC.replace("ep(beta=0.1)", "ep(beta=0.1, nudge=loss)")
    assert report_of(compiled(text=text)).ok


@dataclass(frozen=True)
class FourPoints(ContrastiveEstimator):
    """The fourth-order central difference; ``fault`` is what it gets wrong."""

    fault: float = 1.0

    @property
    def phases(self) -> tuple[Phase, ...]:
        rows = ((1.0, 2 / 3), (-1.0, -2 / 3), (2.0, -1 / 12), (-2.0, 1 / 12))
        return tuple(Phase(0.2 * beta, self.fault * weight / 0.2) for beta, weight in rows)


@dataclass(frozen=True)
class Scaled(Estimator):
    """The implicit gradient of the weights, times ``fault``."""

    fault: float

    def estimate(self, equilibrium: Equilibrium, cost: Cost, weights: Tensor) -> GradientEstimate:
        found = Implicit(1e-12, 2000).estimate(equilibrium, cost, weights)
        return found._replace(weights={k: self.fault * g for k, g in found.weights.items()})


def own_estimator(estimator: Estimator, name: str = "four_points") -> CheckReport:
    """The check of a network with that estimator."""
    construct = replace(
        GRADIENTS["ep"],
        name=name,
        parameters=(),
        make=lambda arguments: estimator,
        backward=lambda arguments, free, nudged: Backward("nudged", 4, nudged, states=4),
        conflict=lambda arguments: None,
        holomorphic=lambda arguments: False,
    )
    register(construct, "gradients")
    return report_of(compiled(text=SPEC.replace("ep(beta=0.1)", f"{name}()")))


def test_a_contrast_of_ones_own_is_checked_with_its_order() -> None:
    report = own_estimator(FourPoints())
    assert report.ok
    orders = {sweep.estimator: sweep.observed_order for sweep in report.beta_sweep}
    assert orders["four_points"] == pytest.approx(4.0, abs=0.2)


def test_a_wrong_weight_of_ones_own_contrast_is_caught() -> None:
    report = own_estimator(FourPoints(1.05))
    assert {row.estimator for row in report.gradients if not row.agrees} == {"ep"}


@pytest.mark.parametrize("fault", [1.0, 0.5])
def test_an_estimator_of_ones_own_kind_is_judged(fault: float) -> None:
    """By itself: no other estimator says anything of it."""
    report = own_estimator(Scaled(fault), "scaled")
    rows = [row for row in report.gradients if row.estimator == "scaled"]
    assert {row.reference for row in rows} == {"implicit", "finite_differences"}
    assert report.ok == (fault == 1)
    assert {row.estimator for row in report.gradients if not row.agrees} <= {"scaled"}


def through_time() -> Compiled:
    """Each block computed once, and one of few sweeps: neither comes near an equilibrium."""
    pairs = (
        ("gradient ep(beta=0.1)", "gradient bptt()"),
        ("relax free   { sweeps = 30 }", "relax free { sweeps = 0 start = feedforward }"),
        ("    out = s2", "    relax free { sweeps = 2 }\n    out = s2"),
    )
    text = SPEC
    for old, new in pairs:
        text = text.replace(old, new, 1)
    return compiled(text=text)


def test_bptt_is_compared_with_the_loss_after_the_specs_own_free_phases() -> None:
    spec = through_time()
    report = report_of(spec)
    rows = [row for row in report.gradients if row.estimator == "bptt"]
    assert {row.reference for row in rows} == {"finite_differences"}
    assert {row.tensor for row in rows} == {row.tensor for row in report.gradients}
    assert report.ok and findings(report, spec.source, spec.places) == []
    # It is another gradient than that of the equilibrium, and no poor estimate of it.
    assert min(row.comparison.cosine for row in report.as_configured) < 0.9


def test_a_wrong_bptt_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that starts from the end of the free phase, as ``unrolled`` does."""
    monkeypatch.setattr(
        BackpropagationThroughTime,
        "estimate",
        lambda self, *given: Unrolled(2).estimate(*given),
    )
    spec = through_time()
    report = report_of(spec)
    assert not report.ok
    assert {row.estimator for row in report.gradients if not row.agrees} == {"bptt"}
    (first, *_) = findings(report, spec.source, spec.places)
    assert first.code == "FFE4004" and "the bptt gradient of" in first.message
