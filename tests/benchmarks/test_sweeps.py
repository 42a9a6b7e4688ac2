"""Ways of relaxation, on a small network."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import figures, neutrality, sweeps
from benchmarks.sweeps import Judge, difference
from benchmarks.ways import FINE, StepSetting, Way, cores
from ffebm_dsl.build import build
from ffebm_dsl.constructs.solvers.anderson import Anderson
from ffebm_dsl.constructs.solvers.auto import Auto
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.physics.relaxation import OverRelaxation

SPEC = """
ffe 1.0
model pooled {
  input x: image(1, 8, 8)
  target y: label(3)
  init kaiming_normal(gain=1)
  gradient ep(beta=0.2, nudge=loss)
  block b {
    energy hopfield {
      layer s1: [1, 8, 8] hard_sigmoid(0.5)
      layer s2: [4, 4, 4] hard_sigmoid(0.5)
      layer s3: [6] identity
      x -> s1
      s1 <-> s2 : conv2d(kernel=3, padding=1) |> max_pool2d(2)
      s2 <-> s3 : flatten() |> linear()
    }
    out = s3
  }
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}
"""
WHERE = {"machine": "m", "threads": 1, "clock": "none", "torch": "t", "date": "d", "quick": False}


@pytest.fixture
def network() -> HybridNetwork:
    return build(compile_spec(SourceFile("pooled.ffe", SPEC)).spec)


def batch() -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(4, 1, 8, 8, generator=generator),), torch.tensor([0, 1, 2, 0])


def test_ways_have_a_name_of_their_own_and_plain_ones_are_among_them() -> None:
    names = [way.name for way in sweeps.WAYS]
    assert len(set(names)) == len(names)
    assert {way.plainly() for way in sweeps.WAYS} <= set(sweeps.WAYS)
    assert Way(2, 1.3, 4).name == "frozen(2), over-relaxed 1.3, anderson(4)"


def test_a_setting_reaches_the_blocks(network: HybridNetwork) -> None:
    StepSetting(Way(2, 1.3, 4), 1e-3, Way(omega=1.2), 7).apply(network)
    (core,) = cores(network)
    free, nudged = core.settings.free, core.settings.nudged
    assert free.freeze_after == 2
    assert free.solver == Anderson(4, (0, 1, 2), OverRelaxation(1.3, free.solver.plain))
    assert (nudged.sweeps, nudged.tolerance) == (7, 0.0)
    assert nudged.solver == OverRelaxation(1.2, nudged.solver.plain)


def test_plain_sweeps_are_accelerated_by_the_layers_that_they_read(network: HybridNetwork) -> None:
    StepSetting(Way(memory=2), 1e-3).apply(network)
    (core,) = cores(network)
    assert isinstance(core.settings.free.solver, Anderson)
    assert core.settings.free.solver.layers == (1,)
    assert core.settings.nudged.tolerance == FINE


def test_auto_accelerates_after_every_other_way(network: HybridNetwork) -> None:
    (core,) = cores(network)
    for way in (Way(), Way(2, 1.3, 4), Way(damping=0.2)):
        StepSetting(way, 1e-3).apply(network)
        StepSetting(Way(2, auto=True), 1e-3).apply(network)
        assert isinstance(core.settings.free.solver, Auto), way.name


def test_ways_are_judged_and_plotted(
    network: HybridNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(sweeps, "TOLERANCES", (1e-6, 1e-3, 1e-1))
    monkeypatch.setattr(sweeps, "LENGTHS", (40, 10, 1))
    judge = Judge(network, *batch())
    rows = [judge.row(way, 1e-3) for way in (Way(2), Way(2, 1.3))]
    for row in rows:
        free, nudged = row["free at equal error"], row["nudged at equal error"]
        assert isinstance(free, dict)
        assert isinstance(nudged, dict)
        assert 0 < free["error"] <= sweeps.RIGHT
        assert nudged["sweeps"] >= 1
    rows[1]["free at equal error"] = None  # as where the routing is live
    figures.save("fewer_sweeps", {**WHERE, "results": rows}, tmp_path)
    assert (tmp_path / "figures" / "fewer_sweeps.svg").stat().st_size > 1000
    panels = figures.PANELS["fewer_sweeps"](list[Mapping[str, Any]](rows))
    factors = panels[-1].lines["free, to the tolerance"]
    assert factors[0] == 1
    assert math.isfinite(factors[1])


def test_a_short_nudged_phase_has_the_larger_error(network: HybridNetwork) -> None:
    judge = Judge(network, *batch())
    errors = [judge.measured(StepSetting(Way(2), FINE, Way(), n))[0] for n in (1, 60)]
    assert errors[1] < 1e-3 < errors[0]


def test_where_nothing_is_right_none_is_found(
    network: HybridNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "RIGHT", 1e-12)
    row = Judge(network, *batch()).row(Way(2), 1e-3)
    assert row["free at equal error"] is None
    assert row["nudged at equal error"] is None


def test_a_wrong_gradient_differs() -> None:
    right = [torch.ones(3), torch.arange(4.0)]
    assert difference(right, right) == 0
    assert difference([right[0], -right[1]], right) == pytest.approx(2)


def test_what_auto_costs_beside_fixed_choices(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = Path(__file__).parents[2] / "specs" / "small" / "smallest.ffe"
    options = Namespace(specs=[path], set=[], steps=1, samples=2, repeats=1, clock="cpu")
    rows = list(neutrality.rows(options))
    assert [row["at"] for row in rows] == ["smallest, new", "smallest, trained"]
    for row in rows:
        assert row["over plain"]["plain"] == 1
        assert row["sweeps"]["anderson(2)"] < row["sweeps"]["plain"]
        assert row["sweeps"]["auto"] <= row["sweeps"]["plain"]
    figures.save("neutrality", {**WHERE, "results": rows}, tmp_path)
    assert (tmp_path / "figures" / "neutrality.svg").stat().st_size > 1000
