"""How far the gradients of trained networks are from the exact ones.

    python -m benchmarks.exactness RUN [RUN ...] [--data-dir DIR] [--samples 64]

For the newest checkpoint of each RUN and its first test samples, in float64 and on one thread: the
gradient of all parameters by the phases and the estimator of the spec, compared with implicit
gradients

- at the states where the free phases of the spec end (``at these states``), which is what the
  diagnostics of ``ffebm train`` compare;
- at the equilibria to which free phases with the same solver converge (``at equilibrium``), of
  at most ``MOST`` sweeps to a tolerance of ``EXACT``.

The first comparison shows the bias of the nudge and of short nudged phases; the second also that
of free phases that end on the way. A line has the mean sweeps of the free phases, and for how many
samples of how many blocks the phase or the adjoint did not converge: the cosine of a gradient
without a limit has no meaning. JSON goes to stdout.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.ways import trained
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.physics.interfaces import Status
from ffebm_dsl.physics.network import BlockSettings, HybridNetwork, Inputs
from ffebm_dsl.running.training.denormals import flushing_denormals

EXACT = 1e-8
"""Tolerance of free phases at equilibrium; that of adjoint solves is ten times as large."""

MOST = 5000
"""Maximum number of sweeps of these phases and solves."""


def gradient(
    network: HybridNetwork, batch: tuple[Inputs, Tensor], settings: Mapping[str, BlockSettings]
) -> tuple[Tensor, dict[str, Any]]:
    """The gradient of all parameters, flat, with these settings of blocks; sweeps and outcomes."""
    inputs, target = batch
    network.zero_grad()
    network(*inputs, target, settings=settings).loss.backward()
    parts = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
    reports = network.phases()
    free = [report for report in reports if report.phase == "free"]
    adjoint = [report for report in reports if report.phase == "adjoint"]
    return torch.cat(parts), {
        "free sweeps": float(torch.stack([r.sweeps.double().mean() for r in free]).mean()),
        "free unconverged": sum(int((r.status != Status.CONVERGED).sum()) for r in free),
        "adjoint unconverged": sum(int((r.status != Status.CONVERGED).sum()) for r in adjoint),
    }


def compared(found: Tensor, reference: Tensor) -> dict[str, float]:
    """The cosine of a gradient with its reference, and its relative error."""
    return {
        "cosine": float(torch.cosine_similarity(found, reference, 0)),
        "error": float((found - reference).norm() / reference.norm()),
    }


def at_equilibrium(settings: BlockSettings) -> BlockSettings:
    """Implicit gradients after free phases that converge, without noise."""
    free = replace(settings.free, sweeps=MOST, tolerance=EXACT, noise=())
    return replace(settings, free=free, estimator=Implicit(10 * EXACT, MOST))


def row(run: Path, data_dir: Path | None, samples: int) -> dict[str, Any]:
    """Both comparisons of one run."""
    network, inputs, target = trained(run, data_dir, samples)
    network = network.double()
    inputs = tuple(x.double() for x in inputs)
    batch = inputs, target.double() if target.is_floating_point() else target
    own = network.settings()
    references = {
        "at these states": {k: replace(s, estimator=Implicit(1e-7, MOST)) for k, s in own.items()},
        "at equilibrium": {k: at_equilibrium(s) for k, s in own.items()},
    }
    found, outcome = gradient(network, batch, own)
    result: dict[str, Any] = {"run": str(run), "samples": samples, "as configured": outcome}
    for name, settings in references.items():
        reference, outcome = gradient(network, batch, settings)
        result[name] = {**compared(found, reference), **outcome}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--samples", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with flushing_denormals():
        found = [row(run, options.data_dir, options.samples) for run in options.runs]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
