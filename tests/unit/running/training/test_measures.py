"""Measurements of a training step agree with its samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.network import PhaseReport
from ffebm_dsl.running.records import STATUSES
from ffebm_dsl.running.training.evaluation import hits
from ffebm_dsl.running.training.measures import (
    _per_sample,
    by_solve,
    gradient_row,
    relaxation_columns,
)


def report(phase: str, residual: list[float], paces: Tensor | None = None) -> PhaseReport:
    """Samples of these residuals, of 1, 2, ... sweeps, that end in each way by turns."""
    count = len(residual)
    sweeps, status = torch.arange(1, count + 1), torch.arange(count) % len(STATUSES)
    return PhaseReport("b", phase, torch.tensor(residual), sweeps, status.to(torch.int8), paces)


def test_columns_are_those_of_all_samples_of_a_solve() -> None:
    free = report("free", [0.4, 0.1, 0.3, 0.2], torch.tensor([1.0, 1.5, 1.2, 1.0]))
    nudged = [report("nudged", [0.5, 0.25]), report("nudged", [0.125, math.nan])]
    solves = by_solve([free, *nudged])
    values = torch.cat([column.double() for column in _per_sample(solves)]).numpy()
    columns = relaxation_columns(solves, values)
    np.testing.assert_allclose(columns["residual_max"], [0.4, math.nan], rtol=1e-6)
    np.testing.assert_allclose(columns["residual_median"], [0.2, math.nan], rtol=1e-6)
    assert columns["sweeps_mean"].tolist() == [2.5, 1.5]
    assert columns["sweeps_max"].tolist() == [4, 2]
    assert columns["accelerated"].tolist() == [2, 0]
    assert [columns[status].tolist() for status in STATUSES] == [[1, 2], [1, 2], [1, 0], [1, 0]]


def test_hits_are_those_among_the_largest() -> None:
    logits, y = torch.eye(6).flip(1) + torch.arange(6) / 10, torch.arange(6)
    assert [int(hits(logits, y, top)) for top in (1, 5)] == [
        sum(int(label in row.topk(top).indices) for row, label in zip(logits, y, strict=True))
        for top in (1, 5)
    ]
    assert hits(logits, logits).isnan()
    assert hits(logits[:, :4], y, 5).isnan()


@pytest.mark.parametrize("estimator", ["random", "positive"])
def test_a_diagnosed_gradient_is_of_the_same_dropout(estimator: str) -> None:
    """Behind a block that draws the sign of its nudges, too."""
    text = f"""ffe 1.1
    model m {{
      input x: vector(6)  target y: label(3)
      relax free   {{ sweeps = 200  tolerance = 1e-12 }}
      relax nudged {{ sweeps = 200 }}
      gradient ep(beta=1e-4, estimator={estimator})
      block b {{
        feedforward u = x |> linear(8)
        energy hopfield {{
          layer s1: [8] tanh
          layer s2: [6] tanh
          u -> s1
          s1 <-> s2 : linear()
        }}
        out = s2
      }}
      readout logits = b |> dropout(0.5) |> linear(3)
      loss = cross_entropy(logits, y)
    }}"""
    network = build(compile_spec(SourceFile("m.ffe", text)).spec, dtype=torch.float64)
    x, y = torch.randn(5, 6, dtype=torch.float64), torch.arange(5) % 3
    for seed in range(4):
        network.zero_grad()
        torch.manual_seed(seed)
        network(x, y).loss.backward()
        torch.manual_seed(seed)
        assert gradient_row(network, (x,), y)["relative_error"].max() < 1e-3
