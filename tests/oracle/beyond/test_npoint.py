"""EP with nudges on a complex circle and on a real stencil, from the `.ffe` text.

The reference states were computed by Newton's method and the estimates by the Taylor series in
beta, without code of this project.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import h5py
import pytest
import torch
from torch import Tensor, nn

from ffebm_dsl.build import build
from ffebm_dsl.language.ir import compile_spec, read_source
from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.tools.checking.problem import Spy
from ffebm_dsl.tools.checking.series import series

HERE = Path(__file__).parent
FILE = h5py.File(HERE / "npoint.h5", "r")
STATES, GRADIENTS = 1e-9, 1e-7
CASES = [*product([("points", n) for n in (2, 4, 6)], (0.1, 0.5))]
CASES += [*product([("stencil", 4)], (0.1, 0.5))]


def reference(key: str) -> Tensor:
    return torch.as_tensor(FILE[key][()])


def place(label: str) -> str:
    """`b0.s0_s1.linear.weight` is `block0/coupling0.weight` there, and so on."""
    head, *rest = label.split(".")
    if head == "readout":
        return f"readout/linear.{rest[-1]}"
    if rest[0] == "u":
        return f"block0/feedforward/linear.{rest[-1]}"
    return f"block0/coupling{rest[0][1]}.{rest[-1]}"


def load(key: str, size: int, beta: float) -> HybridNetwork:
    settings = {key: str(size), "beta": str(beta)}
    network = build(
        compile_spec(read_source(HERE / "npoint.ffe"), settings).spec, dtype=torch.float64
    )
    labels = network.labels()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(reference(f"params/{place(labels[name])}"))
    (block,) = network.blocks
    block.core.configure(keep_states=True)
    return network.train()


def error(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


def complex_state(folder: str, layer: int) -> Tensor:
    real, imaginary = (reference(f"{folder}/layer{layer}_{part}") for part in ("re", "im"))
    return torch.complex(real, imaginary)


@pytest.mark.parametrize(("which", "beta"), CASES)
def test_states_and_estimates(which: tuple[str, int], beta: float) -> None:
    (key, size), network = which, load(*which, beta)
    (block,), drives = network.blocks, list[Tensor]()

    def keep(module: nn.Module, inputs: object, drive: Tensor) -> None:
        drive.retain_grad()
        drives.append(drive)

    next(iter(block.maps)).register_forward_hook(keep)
    x = reference("x").requires_grad_()
    network(x, reference("y")).loss.backward()
    free, *nudged = (report for report in network.phases())
    for layer, state in enumerate(free.state or ()):
        assert error(state, reference(f"free/block0/layer{layer}")) < STATES
    name = f"{key}{size}/beta{beta}"
    if key == "stencil":
        folders = [f"phases/{name}/{which}" for which in ("plus1", "minus1", "plus2", "minus2")]
        expected = [[reference(f"{f}/layer{i}") for i in range(3)] for f in folders]
    else:
        # Of conjugate phases one is relaxed; real ones come last.
        order = [*range(1, size // 2), 0, size // 2]
        folders = [f"phases/{name}/k{k}" for k in order]
        expected = [[complex_state(folder, i) for i in range(3)] for folder in folders]
    assert len(nudged) == len(expected)
    for report, states in zip(nudged, expected, strict=True):
        for ours, theirs in zip(report.state or (), states, strict=True):
            assert error(ours, theirs) < STATES
    labels = network.labels()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None
        theirs = reference(f"grad_est/{name}/{place(labels[key])}")
        assert error(parameter.grad, theirs) < GRADIENTS, key
    (drive,) = drives
    assert drive.grad is not None and x.grad is not None
    assert error(drive.grad, reference(f"drive_cotangent/{name}/layer0")) < GRADIENTS
    assert error(x.grad, reference(f"input_cotangent/{name}")) < GRADIENTS


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
def test_radius_of_convergence(beta: float) -> None:
    """1.38 by the ratio of 72 Taylor coefficients; here from phases on circles."""
    network = load("points", 4, 0.5)
    (block,) = network.blocks
    spy = Spy(block.core.settings.estimator)
    block.core.configure(estimator=spy)
    network(reference("x"), reference("y")).loss.backward()
    assert spy.seen is not None
    found = series("b0", spy.seen, beta)
    assert abs(found.radius / 1.38 - 1) < 0.15, found.radius
    assert found.converges == (beta < 1.38)
