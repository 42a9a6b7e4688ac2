"""Random small networks of every construct: all routes to the gradient agree.

Each example is a `.ffe` text, compiled like any other. The chain has two blocks, so that a
cotangent passes through a digital map; blocks have two to four layers in a random coupling graph
(chains, skips, cycles, laterals, parallel couplings), several drives, named outputs, and one of the
energy block's loss modes.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.tools.checking import CheckSettings, check
from ffebm_dsl.tools.checking.problem import make_problem

SMOOTH = ["tanh(0.5)", "sigmoid(0.8)", "identity", "softplus(0.5)", "softmax(0.8)"]
KINKED = ["hard_sigmoid(0.5)", "relu(0.5)", "clamp(-0.3, 0.6, slope=0.5)", "leaky_relu(0.2, 0.5)"]
ORDERS = ["synchronous", "asynchronous", "asynchronous_reversed", "forward", "backward"]

# Spatial layers are [2, 4, 4] or, behind a pooling or a stride, [2, 2, 2]; dense ones [5].
SHAPES = {"large": "[2, 4, 4]", "small": "[2, 2, 2]", "dense": "[5]"}
OPS = {
    ("large", "large"): ["conv2d(kernel=3, padding=1)", "conv2d(kernel=1, bias=false)"],
    ("large", "small"): [
        "conv2d(kernel=3, padding=1) |> avg_pool2d(2)",
        "conv2d(kernel=2, stride=2, bias=false)",
        "avg_pool2d(2) |> conv2d(kernel=1)",
    ],
    ("large", "dense"): ["flatten() |> linear()"],
    ("small", "small"): ["conv2d(kernel=3, padding=1, groups=2)"],
    ("small", "dense"): ["flatten() |> linear(bias=false)"],
    ("dense", "dense"): ["linear()"],
}
MAX_POOLED = "conv2d(kernel=3, padding=1) |> max_pool2d(2)"


@dataclass(frozen=True)
class Construct:
    """What a generated network may contain."""

    activations: tuple[str, ...]
    max_pooling: bool = False


def coupling_op(draw: st.DrawFn, construct: Construct, pair: tuple[str, str]) -> str:
    choices = list(OPS[pair])
    if construct.max_pooling and pair == ("large", "small"):
        choices = [MAX_POOLED]
    return draw(st.sampled_from(choices))


def energy(draw: st.DrawFn, construct: Construct) -> tuple[list[str], list[str]]:
    """The lines of an energy, and its layers' kinds in order (large first)."""
    kinds = [
        "large",
        *sorted(
            draw(st.lists(st.sampled_from(list(SHAPES)), min_size=1, max_size=3)),
            key=list(SHAPES).index,
        ),
    ]
    if construct.max_pooling and "small" not in kinds:
        kinds.insert(1, "small")
        kinds.sort(key=list(SHAPES).index)
    activations = [draw(st.sampled_from(construct.activations)) for _ in kinds]
    lines = [
        f"layer s{i}: {SHAPES[kind]} {activation}"
        for i, (kind, activation) in enumerate(zip(kinds, activations, strict=True))
    ]
    lines.append("u -> s0")
    if draw(st.booleans()):
        lines.append("v -> s0")
    for i in range(1, len(kinds)):
        extra = draw(st.sets(st.integers(0, i - 1), max_size=2))
        for j in sorted({i - 1, *extra}):
            op = coupling_op(draw, construct, (kinds[j], kinds[i]))
            lines.append(f"s{j} <-> s{i} : {op}")
    # A coupling without ops has strength one: a contraction only between weak activations.
    if kinds[0] == kinds[1] and "identity" not in activations[:2] and draw(st.booleans()):
        lines.append("s0 <-> s1")
    if draw(st.booleans()):
        last = len(kinds) - 1
        op = {"large": "conv2d(kernel=1)", "small": "conv2d(kernel=1)", "dense": "linear()"}
        lines.append(f"s{last} <-> s{last} : {op[kinds[last]]}")
    return lines, kinds


@st.composite
def specs(draw: st.DrawFn, construct: Construct) -> str:
    order = draw(st.sampled_from(ORDERS))
    damping = 0.3 if order == "synchronous" else draw(st.sampled_from([0.0, 0.2]))
    nudge = draw(st.sampled_from(["cotangent", "loss"]))
    norm = draw(st.sampled_from([" |> batch_norm2d()", " |> group_norm(2)", " |> tanh()", ""]))
    first, kinds = energy(draw, construct)
    second, last_kinds = energy(draw, construct)
    # Every block reads a [2, 4, 4] tensor: the first block's last layer or its first.
    source = "b1" if kinds[-1] == "large" else "b1.first"
    loss = draw(st.sampled_from(["cross_entropy", "mse"]))
    flat = "" if last_kinds[-1] == "dense" else "flatten() |> "
    return "\n".join(
        [
            "ffe 1.0",
            "model random {",
            "input x: image(2, 4, 4)",
            "target y: label(3)",
            f"relax free {{ sweeps = 60 order = {order} damping = {damping} }}",
            f"relax nudged {{ sweeps = 30 order = {order} damping = {damping} }}",
            f"gradient ep(beta=0.05, nudge={nudge})",
            "init normal(std=0.1)",
            "block b1 {",
            f"feedforward u = x |> conv2d(2, kernel=3, padding=1){norm}",
            "feedforward v = x |> conv2d(2, kernel=1)" if "v -> s0" in first else "",
            "energy hopfield {",
            *first,
            "}",
            f"out = s{len(kinds) - 1}",
            "out first = s0",
            "}",
            "block b2 {",
            f"feedforward u = {source} |> conv2d(2, kernel=3, padding=1){norm}",
            "feedforward v = x |> conv2d(2, kernel=1)" if "v -> s0" in second else "",
            "energy hopfield {",
            *second,
            "}",
            f"out = s{len(last_kinds) - 1}",
            "}",
            f"readout logits = b2 |> {flat}linear(3)",
            f"loss = {loss}(logits, y)",
            "}",
        ]
    )


def compiled(text: str) -> SpecIR:
    return compile_spec(SourceFile("random.ffe", text)).spec


QUICK = CheckSettings(samples=3, directions=3, sweeps=2000)
FEW = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # a shrink would take longer than the test
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""A check takes seconds; `slow` tests take many networks."""


def assert_right(text: str) -> None:
    """The check agrees. A block of linear layers may have no minimum; that says nothing."""
    report = check(compiled(text), QUICK)
    assume(not report.unconverged)
    wrong = [
        (row.tensor, row.estimator, row.reference, row.comparison)
        for row in report.gradients
        if not row.agrees
    ]
    assert not wrong, f"{text}\n{wrong}\n{report.relaxation}"


@pytest.mark.slow
@settings(FEW, max_examples=20)
@given(specs(Construct(tuple(SMOOTH))))
def test_smooth_networks(text: str) -> None:
    assert_right(text)


@FEW
@given(specs(Construct(tuple(SMOOTH[:2]))))
def test_order_of_the_bias(text: str) -> None:
    """2 +- 0.2 centered, 1 +- 0.2 one-sided, wherever there is a bias to measure."""
    report = check(compiled(text), CheckSettings(samples=2, directions=1, sweeps=2000))
    for sweep in report.beta_sweep:
        expected = 2.0 if sweep.estimator == "centered" else 1.0
        assert sweep.observed_order is not None, f"{text}\n{sweep}"
        assert abs(sweep.observed_order - expected) <= 0.2, f"{text}\n{sweep}"


@FEW
@given(specs(Construct((*SMOOTH, *KINKED))))
def test_networks_with_kinks(text: str) -> None:
    assert_right(text)


@settings(FEW, max_examples=1)
@given(specs(Construct((*SMOOTH[:2], *KINKED), max_pooling=True)))
def test_max_pooled_networks(text: str) -> None:
    assert_right(text)


@FEW
@given(specs(Construct(tuple(SMOOTH))))
def test_switching_one_block_changes_nothing(text: str) -> None:
    """One block's estimator alone, EP for the others: the chain's gradient stays."""
    problem = make_problem(compiled(text), samples=2, seed=0, sweeps=2000)
    assume(not problem.unconverged)
    everywhere = {name: EquilibriumPropagation(1e-4) for name in problem.cores()}
    before = torch.cat([g.flatten() for g in problem.gradients(everywhere).values()])
    for name in problem.cores():
        for other in (Implicit(1e-14, 2000), Unrolled(300)):
            after = problem.gradients({**everywhere, name: other})
            change = torch.cat([g.flatten() for g in after.values()]) - before
            assert float(change.norm() / before.norm()) < 1e-5, f"{name} by {other}\n{text}"


@pytest.mark.slow
@settings(FEW, max_examples=60)
@given(specs(Construct((*SMOOTH, *KINKED))))
def test_many_networks(text: str) -> None:
    assert_right(text)


@pytest.mark.slow
@settings(FEW, max_examples=20)
@given(specs(Construct((*SMOOTH[:2], *KINKED), max_pooling=True)))
def test_many_max_pooled_networks(text: str) -> None:
    assert_right(text)
