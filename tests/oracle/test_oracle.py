"""Reference results of arXiv 2409.03306, reproduced from `.ffe` texts.

Each `.h5` file was written by the paper's reference implementation in float64: weights, inputs, the
states of every phase, and the gradients of equilibrium propagation. Its implicit baseline is biased
and is not used.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import pytest
import torch

from ffebm_dsl.build import build
from ffebm_dsl.language.ir import compile_spec, read_source
from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.tools.checking.transient_check import TransientSettings, transients

HERE = Path(__file__).parent
CASES = sorted(path.stem for path in HERE.glob("*.h5"))

STATE_TOLERANCE = 1e-9
GRADIENT_TOLERANCE = 1e-7


class Reference:
    """One reference file, by the names that ffebm gives its tensors."""

    def __init__(self, name: str) -> None:
        self.file = h5py.File(HERE / f"{name}.h5", "r")

    def __getitem__(self, key: str) -> torch.Tensor:
        return torch.as_tensor(self.file[key][()])

    def path(self, label: str) -> str:
        """`b0.u.conv2d.weight` is `block0/feedforward/conv2d.weight` there, and so on."""
        block, *rest = label.split(".")
        if block == "readout":
            return f"readout/linear.{rest[-1]}"
        if rest[0] == "u":
            return f"block{block[1:]}/feedforward/{'.'.join(rest[1:])}"
        return f"block{block[1:]}/coupling{rest[0][1]}.{rest[-1]}"


def load(name: str, reference: Reference) -> HybridNetwork:
    spec = compile_spec(read_source(HERE / f"{name}.ffe")).spec
    network = build(spec, dtype=torch.float64)
    labels = network.labels()
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            parameter.copy_(reference[f"params/{reference.path(labels[key])}"])
    for block in network.blocks:
        block.core.configure(keep_states=True)
    return network.train()


def gradients(network: HybridNetwork) -> dict[str, torch.Tensor]:
    labels = network.labels()
    return {labels[key]: p.grad for key, p in network.named_parameters() if p.grad is not None}


def assert_close(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float, what: str) -> None:
    error = float((ours - theirs).norm() / theirs.norm())
    assert error < tolerance, f"{what}: relative error {error:.2e}"


def test_comparison_fails_on_a_small_error() -> None:
    value = torch.ones(5, dtype=torch.float64)
    with pytest.raises(AssertionError, match="planted"):
        assert_close(value * (1 + 1e-6), value, GRADIENT_TOLERANCE, "planted")


def test_all_five_references_are_here() -> None:
    assert len(CASES) == 5


@pytest.mark.parametrize("name", CASES)
def test_states_and_gradients(name: str) -> None:
    reference = Reference(name)
    network = load(name, reference)
    entering: dict[str, torch.Tensor] = {}

    def probe(port: str, tensor: torch.Tensor) -> torch.Tensor:
        tensor.retain_grad()
        entering[port.split(".")[0]] = tensor
        return tensor

    x = reference["x"].requires_grad_()
    outcome = network(x, reference["y"], probe=probe)
    outcome.loss.backward()

    assert_close(outcome.loss.detach(), reference["loss"], STATE_TOLERANCE, "loss")
    assert_close(outcome.logits.detach(), reference["logits"], STATE_TOLERANCE, "logits")
    for index, block in enumerate(network.blocks):
        phases = ("free", "nudged_plus", "nudged_minus")
        for phase, report in zip(phases, block.core.reports, strict=True):
            assert report.state is not None
            for layer, state in enumerate(report.state):
                path = f"{phase}/block{index}/layer{layer}"
                assert_close(state, reference[path], STATE_TOLERANCE, path)
        path = f"input_cotangent/block{index}"
        cotangent = entering[block.name].grad
        assert cotangent is not None
        assert_close(cotangent, reference[path], GRADIENT_TOLERANCE, path)
    found = gradients(network)
    assert len(found) == len(list(network.parameters()))
    for label, gradient in found.items():
        path = f"grad_ep/{reference.path(label)}"
        assert_close(gradient, reference[path], GRADIENT_TOLERANCE, path)


@pytest.mark.parametrize("truncated", ["b0", "b1"])
@pytest.mark.parametrize("sweeps", [1, 2, 5, 11])
def test_gradient_after_few_nudged_sweeps(sweeps: int, truncated: str) -> None:
    """EP truncated after some nudged sweeps, block by block.

    The reference truncates each block alone: the cotangent that reaches it is that of full
    nudged phases behind it.
    """
    reference = Reference("truncated_gradients")
    network = load("truncated_gradients", reference)
    (block,) = (b for b in network.blocks if b.name == truncated)
    block.core.configure(nudged=replace(block.core.settings.nudged, sweeps=sweeps))
    network(reference["x"], reference["y"]).loss.backward()
    for label, gradient in gradients(network).items():
        if label.startswith(truncated) or (label.startswith("readout") and truncated == "b1"):
            theirs = reference[f"truncated_ep/{reference.path(label)}"][sweeps]
            assert_close(gradient, theirs, GRADIENT_TOLERANCE, label)


def test_truncated_gradients_by_the_static_analysis() -> None:
    """Every entry of every parameter's EP gradient after every number of nudged sweeps."""
    reference = Reference("truncated_gradients")
    network = load("truncated_gradients", reference)
    everything = TransientSettings(entries=max(p.numel() for p in network.parameters()))
    found = transients(network, (reference["x"],), reference["y"], everything)
    assert set(found.parameters) == set(network.labels().values())
    assert len(found.values) == 13
    for p, label in enumerate(found.parameters):
        theirs = reference[f"truncated_ep/{reference.path(label)}"].flatten(1)
        for t in range(13):
            ours = torch.as_tensor(found.values[t, p, : theirs.shape[1]])
            if t == 0 and not label.startswith("readout"):
                assert ours.abs().max() < 1e-9 and theirs[t].abs().max() < 1e-9
            else:
                assert_close(ours, theirs[t], GRADIENT_TOLERANCE, f"{label} at t = {t}")
    assert found.measures["cosine"][1:].min() > 0.99999999
