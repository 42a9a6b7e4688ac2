"""What the benchmarks of memory and of sweeps measure, on networks small enough for a test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks import plots
from benchmarks.memory import peak_of_one_step
from benchmarks.sweeps import WAYS, images, try_way
from ffebm_dsl.build import build
from tests.benchmarks.test_steps import SPEC, SPEC_IR


def test_ways_to_relax_are_compared_on_the_same_network() -> None:
    network = build(SPEC_IR)
    before = [(block.core.free, block.core.nudged) for block in network.blocks]
    x, y = torch.rand(3, 1, 8, 8), torch.tensor([0, 1, 2])
    plain, gradients = try_way(network, x, y, WAYS["plain"], 1e-4)
    fast, others = try_way(network, x, y, WAYS["anderson(5)"], 1e-4)
    assert [(block.core.free, block.core.nudged) for block in network.blocks] == before
    assert plain["not converged"] == fast["not converged"] == {"b": 0}
    assert len(gradients) == len(others) == len(list(network.parameters()))


def test_images_are_normalised(tmp_path: Path) -> None:
    file = tmp_path / "batch.bin"
    file.write_bytes(bytes([7]) + bytes(3072) + bytes([2]) + bytes([255]) * 3072)
    x, y = images(file, 2)
    assert y.tolist() == [7, 2]
    assert x.shape == (2, 3, 32, 32)
    assert x[0, 0, 0, 0].item() == pytest.approx(-0.4914 / 0.6069)
    assert x[1, 2, 5, 5].item() == pytest.approx((1 - 0.4465) / 0.6030)


def test_a_step_has_a_peak(tmp_path: Path) -> None:
    spec = tmp_path / "m.ffe"
    spec.write_text(SPEC)
    assert peak_of_one_step(spec, {}, "ep", 2, 2) >= 0


def test_the_committed_results_are_plotted(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    results = json.loads(plots.RESULTS.read_text(encoding="utf-8"))
    plots.sweeps_figure(results["sweeps"], tmp_path / "sweeps.svg")
    assert "<svg" in (tmp_path / "sweeps.svg").read_text(encoding="utf-8")
