"""A loss at an inner layer: a reference computed in two independent ways, from an `.ffe` text."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
import torch
from torch import Tensor

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec, read_source
from ffebm_dsl.physics.network import HybridNetwork

HERE = Path(__file__).parent
SPEC = HERE / "inner_nudge.ffe"
STATES, GRADIENTS, LOSSES = 1e-9, 1e-7, 1e-10


@pytest.fixture(scope="module")
def reference() -> h5py.File:
    return h5py.File(HERE / "inner_nudge.h5", "r")


def read(reference: h5py.File, path: str) -> Tensor:
    return torch.as_tensor(reference[path][()])


def path_of(label: str) -> str:
    """`b0.s0_s1.linear.weight` is `block0/coupling0.weight` there, and so on."""
    part, name = label.split(".")[0], label.rpartition(".")[2]
    if part in ("readout", "inner"):
        return f"{'inner_' if part == 'inner' else ''}readout/linear.{name}"
    inside = label.split(".")[1]
    return "block0/" + ("feedforward/linear." if inside == "u" else f"coupling{inside[1]}.") + name


def network_of(reference: h5py.File, gradient: str = "") -> HybridNetwork:
    overrides = {"gradient": gradient} if gradient else {}
    network = build(compile_spec(read_source(SPEC), overrides).spec, dtype=torch.float64)
    labels = network.labels()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(read(reference, f"params/{path_of(labels[name])}"))
    for block in network.blocks:
        block.core.configure(keep_states=True)
    return network


def close(ours: Tensor, theirs: Tensor, tolerance: float) -> bool:
    return float((ours - theirs).norm()) <= tolerance * float(theirs.norm())


@pytest.mark.parametrize(
    ("gradient", "group"), [("", "ep"), ("implicit(tolerance=1e-14, sweeps=2000)", "exact")]
)
def test_states_losses_and_gradients(reference: h5py.File, gradient: str, group: str) -> None:
    network = network_of(reference, gradient)
    x = read(reference, "x").requires_grad_()
    outcome = network(x, read(reference, "y"))
    outcome.loss.backward()
    assert close(outcome.loss.detach(), read(reference, "loss"), LOSSES)
    assert close(outcome.per_sample, read(reference, "per_sample_loss"), LOSSES)
    assert close(outcome.loss.detach(), outcome.terms[0] + 0.3 * outcome.terms[1], LOSSES)
    phases = ("free", "nudged_plus", "nudged_minus") if group == "ep" else ("free",)
    for phase, report in zip(phases, network.phases(), strict=False):
        for layer, state in enumerate(report.state or ()):
            assert close(state, read(reference, f"{phase}/block0/layer{layer}"), STATES)
    labels = network.labels()
    for name, parameter in network.named_parameters():
        theirs = read(reference, f"grad_{group}/{path_of(labels[name])}")
        assert parameter.grad is not None and close(parameter.grad, theirs, GRADIENTS), name
    assert close(x.grad, read(reference, f"input_cotangent/{group}/block0"), GRADIENTS)


def test_without_the_inner_nudge_the_gradient_is_another(reference: h5py.File) -> None:
    """The reference tells the two apart, so that a nudge that is dropped is caught."""
    path = path_of("b0.s0_s1.linear.weight")
    right = read(reference, f"grad_ep/{path}")
    assert not close(read(reference, f"grad_ep_output_only/{path}"), right, 1e-2)


def test_a_term_of_weight_zero_changes_no_bit(reference: h5py.File) -> None:
    text = SPEC.read_text(encoding="utf-8")
    without = "\n".join(line for line in text.splitlines() if "readout inner" not in line)
    without = without.replace(" + weight * cross_entropy(inner, y)", "")
    without = without.replace("param weight: real = 0.3", "")
    found = []
    for spec in (
        compile_spec(read_source(SPEC), {"weight": "0"}).spec,
        compile_spec(SourceFile("without.ffe", without)).spec,
    ):
        network = build(spec, seed=3)
        outcome = network(read(reference, "x").float(), read(reference, "y"))
        outcome.loss.backward()
        gradients = {n: p.grad for n, p in network.named_parameters() if "auxiliary" not in n}
        found.append(
            {"loss": outcome.loss.detach(), "logits": outcome.logits.detach(), **gradients}
        )
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name]), name
