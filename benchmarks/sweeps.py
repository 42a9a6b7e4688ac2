"""How many sweeps a trained network needs, by how it is relaxed.

    python benchmarks/sweeps.py RUN [RUN ...] --data FILE [--tolerance 1e-4] [--samples 16]

RUN is a run directory; FILE holds CIFAR-10 test images in the binary form. Each way to relax
is used for free phases to a tolerance per sample and judged by the mean sweeps per sample
and block, by how many samples did not get there, and by the EP gradient that follows: its
largest relative difference over the parameters from that of plain sweeps, and from that of
plain sweeps of the same routing to a tolerance of 1e-6. JSON to stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from ffebm_dsl.build import build
from ffebm_dsl.ir import compile_spec, read_source
from ffebm_dsl.network import HybridNetwork
from ffebm_dsl.relaxation import Anderson, Relaxation, Status, carried
from ffebm_dsl.training import checkpoint
from ffebm_dsl.training.run_directory import open_run
from ffebm_dsl.training.state import restore_network

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.6069, 0.5982, 0.6030)
MOST, NUDGED, TIGHT = 500, 20, 1e-6
"""Sweeps at most in a free phase and in a nudged one; what passes for an exact tolerance."""

Way = Callable[[Relaxation, tuple[int, ...]], Relaxation]

WAYS: dict[str, Way] = {
    "plain": lambda r, read: r,
    "anderson(2)": lambda r, read: replace(r, solver=Anderson(2, read)),
    "anderson(5)": lambda r, read: replace(r, solver=Anderson(5, read)),
    "anderson(8)": lambda r, read: replace(r, solver=Anderson(8, read)),
    "damping 0.2": lambda r, read: replace(r, damping=0.2),
    "start feedforward": lambda r, read: replace(r, feedforward=True),
    "routing frozen(10)": lambda r, read: replace(r, routing_after=10),
    "routing frozen(10), anderson(5)": lambda r, read: replace(
        r, routing_after=10, solver=Anderson(5, read)
    ),
    "over_relaxation 1.3": lambda r, read: replace(r, over_relaxation=1.3),
    "over_relaxation 1.4": lambda r, read: replace(r, over_relaxation=1.4),
    "routing frozen(5)": lambda r, read: replace(r, routing_after=5),
    "routing frozen(5), over_relaxation 1.3": lambda r, read: replace(
        r, routing_after=5, over_relaxation=1.3
    ),
    "routing frozen(5), over_relaxation 1.4": lambda r, read: replace(
        r, routing_after=5, over_relaxation=1.4
    ),
}

ROUTINGS = ("routing frozen(5)", "routing frozen(10)")
"""The ways that freeze the routing, and do nothing else; others begin with one's name."""


def trained(run: Path) -> HybridNetwork:
    """The network of a run's newest checkpoint, in evaluation mode."""
    directory = open_run(run)
    path, saved = checkpoint.newest(
        directory.checkpoints, lambda text: print(text, file=sys.stderr)
    )
    spec = compile_spec(read_source(directory.spec), saved.identity.overrides).spec
    network = build(spec)
    restore_network(network, saved.network, path)
    return network.eval()


def images(path: Path, count: int) -> tuple[Tensor, Tensor]:
    """The first ``count`` images and labels of a CIFAR-10 file, normalised as in training."""
    rows = np.fromfile(path, dtype=np.uint8).reshape(-1, 3073)[:count]
    pixels = torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32)).float() / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (pixels - mean) / std, torch.from_numpy(rows[:, 0].astype(np.int64))


def try_way(
    network: HybridNetwork, x: Tensor, y: Tensor, way: Way, tolerance: float
) -> tuple[dict[str, object], list[Tensor]]:
    """What a way to relax takes on every block, and the gradients that follow."""
    before = [(block.core, block.core.free, block.core.nudged) for block in network.blocks]
    for core, free, _ in before:
        edges = [(c.source, c.target) for c in core.energy.couplings]
        changed = replace(free, sweeps=MOST, tolerance=tolerance)
        core.free = way(changed, carried(free.schedule, edges))
        core.nudged = replace(core.nudged, sweeps=NUDGED, tolerance=0.0)
    start = perf_counter()
    with torch.no_grad():
        network(x, y)
    seconds = perf_counter() - start
    network.zero_grad()
    network(x, y).loss.backward()
    reports = {r.block: r for r in network.phases() if r.phase == "free"}
    found = {
        "sweeps": {name: float(r.sweeps.double().mean()) for name, r in reports.items()},
        "most": {name: int(r.sweeps.max()) for name, r in reports.items()},
        "not converged": {
            name: int((r.status != Status.CONVERGED).sum()) for name, r in reports.items()
        },
        "seconds of the free phases": seconds,
    }
    for core, old_free, old_nudged in before:
        core.free, core.nudged = old_free, old_nudged
    return found, [p.grad.clone() for p in network.parameters() if p.grad is not None]


def difference(gradients: list[Tensor], reference: list[Tensor]) -> float:
    """The largest relative difference over the parameters."""
    pairs = zip(gradients, reference, strict=True)
    return max(float((g - r).norm() / r.norm()) for g, r in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--samples", type=int, default=16)
    options = parser.parse_args()
    x, y = images(options.data, options.samples)
    results = {}
    for run in options.runs:
        network, reference = trained(run), None
        exact: dict[str, list[Tensor]] = {}
        for name, way in WAYS.items():
            found, gradients = try_way(network, x, y, way, options.tolerance)
            reference = reference or gradients
            found["gradient difference"] = difference(gradients, reference)
            routing = next((n for n in ROUTINGS if name.startswith(n)), "plain")
            if routing not in exact:
                exact[routing] = try_way(network, x, y, WAYS[routing], TIGHT)[1]
            found["difference from exact"] = difference(gradients, exact[routing])
            results[f"{run.name}: {name}"] = found
            print(f"{run.name}: {name}: {found}", file=sys.stderr, flush=True)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
