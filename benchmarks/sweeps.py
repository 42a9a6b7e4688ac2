"""Sweeps that a trained network needs, by the way of relaxation, and the error of its gradients.

    python -m benchmarks.sweeps RUN [--data-dir DIR] [--samples 16] [--threads 1] [--save docs]

RUN is a run directory, whose first test samples are used. Reported for each way of relaxation:

- free phases to one tolerance: mean sweeps per sample and block, the maximum over samples, and the
  error of the resulting EP gradient;
- free phases to the loosest tolerance, by bisection, for which that error is small (``RIGHT``), so
  that costs are compared at equal accuracy of gradients;
- nudged phases of a fixed length, from free states that are exact except for rounding: the fewest
  sweeps, by bisection, for which the error is small; for ``auto``, the loosest tolerance;
- the CPU seconds of a step with these phases.

An error is the largest relative one over the parameters, compared with free and nudged phases of
plain sweeps to 1e-10 in float64 whose max poolings choose as the way's own plain sweeps do. With
live routing there is no unique exact gradient: another path leads to another equilibrium. JSON goes
to stdout. ``--quick`` uses two ways and four samples.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import torch
from torch import Tensor

from benchmarks import figures
from benchmarks.measuring import where
from benchmarks.ways import FINE, StepSetting, Way, cores, trained
from ffebm_dsl.physics.interfaces import Status
from ffebm_dsl.physics.network import HybridNetwork, Inputs, PhaseReport

EXACT = 1e-10
"""Tolerance of exact phases, in float64."""

REPEATS = 5
"""Number of timed steps, after an untimed one."""

RIGHT = 1e-3
"""The largest error of a gradient that counts as small."""

TOLERANCES = tuple(10.0 ** (-k / 8) for k in range(48, 15, -1))
"""Tolerances of free phases, from the tightest to the loosest."""

CLOSE = tuple(10.0 ** (-k / 8) for k in range(53, 15, -1))
"""Tolerances of nudged phases, from the tightest to the loosest."""

LENGTHS = tuple(range(128, 0, -1))
"""Lengths of nudged phases, from the longest to the shortest."""

Gradients = list[Tensor]


PACES = ((1.0, 0), (1.0, 2), (1.2, 0), (1.3, 0), (1.4, 0), (1.3, 2))
"""Over-relaxation and memory of Anderson acceleration."""

WAYS = (
    Way(),
    Way(memory=5),
    Way(damping=0.2),
    Way(feedforward=True),
    Way(omega=1.3),
    Way(auto=True),
    *(Way(after, omega, memory) for after in (5, 2) for omega, memory in PACES),
    Way(5, auto=True),
    Way(2, auto=True),
    Way(1),
    Way(1, 1.3, 2),
)


class Judge:
    """A network, a batch, and its exact gradients, for measuring ways of relaxation."""

    def __init__(self, network: HybridNetwork, inputs: Inputs, y: Tensor) -> None:
        self._network, self._inputs, self._y = network, inputs, y
        self._exact: dict[Way, Gradients] = {}

    def row(self, way: Way, tolerance: float) -> dict[str, object]:
        """All results for a way."""
        error, free = self.measured(StepSetting(way, tolerance))
        found = self._cheapest([StepSetting(way, t) for t in TOLERANCES])
        if way.auto:
            ends = [StepSetting(way, FINE, way, close=t) for t in CLOSE]
        else:
            ends = [StepSetting(way.plainly(), FINE, way, n) for n in LENGTHS]
        nudged = self._cheapest(ends)
        return {
            "at": way.name,
            "routing": way.plainly().name,
            "sweeps": {r.block: _mean(r.sweeps) for r in free},
            "most": {r.block: int(r.sweeps.max()) for r in free},
            "not converged": sum(int((r.status != Status.CONVERGED).sum()) for r in free),
            "error": error,
            "free at equal error": found and self._told(found, "free"),
            "nudged at equal error": nudged and self._told(nudged, "nudged"),
            "seconds": self._seconds(found, nudged),
        }

    def _told(self, setting: StepSetting, phase: str) -> dict[str, float]:
        """A setting, its error, and its sweeps: free ones of all blocks, nudged ones of a block."""
        error, _ = self.measured(setting)
        used = [_mean(r.sweeps) for r in self._network.phases() if r.phase == phase]
        sweeps = sum(used) if phase == "free" else sum(used) / len(used)
        tolerance = setting.tolerance if phase == "free" else setting.close
        return {"tolerance": tolerance, "sweeps": sweeps, "error": error}

    def _seconds(self, free: StepSetting | None, nudged: StepSetting | None) -> float | None:
        """Seconds of a step with the free phases of one setting and the nudged of the other."""
        if free is None or nudged is None:
            return None
        replace(nudged, free=free.free, tolerance=free.tolerance).apply(self._network)
        taken = []
        for _ in range(REPEATS + 1):
            start = process_time()
            _gradients(self._network, self._inputs, self._y)
            taken.append(process_time() - start)
        return median(taken[1:])

    def measured(self, setting: StepSetting) -> tuple[float, list[PhaseReport]]:
        """The error of a step's gradients, and the reports of its free phases."""
        exact = self._exactly(setting.free.plainly())
        setting.apply(self._network)
        gradients = _gradients(self._network, self._inputs, self._y)
        free = [r for r in self._network.phases() if r.phase == "free"]
        return difference(gradients, exact), free

    def _cheapest(self, settings: Sequence[StepSetting]) -> StepSetting | None:
        """The last of ``settings`` whose error is small; None if that of the first is not."""
        right, wrong = -1, len(settings)
        while wrong - right > 1:
            # Try the first setting first: if its error is large, there is nothing to find.
            middle = 0 if right < 0 else (right + wrong) // 2
            if self.measured(settings[middle])[0] <= RIGHT:
                right = middle
            else:
                wrong = middle
            if right < 0:
                return None
        return settings[right]

    def _exactly(self, plain: Way) -> Gradients:
        """The gradients at the equilibria of plain sweeps, with the same routing."""
        if plain not in self._exact:
            StepSetting(plain, FINE).apply(self._network)
            with torch.no_grad(), _keeping_states(self._network):
                self._network(*self._inputs, self._y)
            exact = copy.deepcopy(self._network).double()
            for core in cores(exact):
                s = core.settings
                core.configure(
                    routings=core.reports[0].routings,
                    free=plain.of(core, s.free, EXACT),
                    nudged=plain.of(core, s.nudged, EXACT),
                )
            doubles = tuple(x.double() for x in self._inputs)
            self._exact[plain] = _gradients(exact, doubles, self._y)
        return self._exact[plain]


@contextmanager
def _keeping_states(network: HybridNetwork) -> Iterator[None]:
    for core in cores(network):
        core.configure(keep_states=True)
    yield
    for core in cores(network):
        core.configure(keep_states=False)


def _gradients(network: HybridNetwork, inputs: Inputs, y: Tensor) -> Gradients:
    network.zero_grad()
    network(*inputs, y).loss.backward()
    return [p.grad.clone() for p in network.parameters() if p.grad is not None]


def _mean(sweeps: Tensor) -> float:
    return float(sweeps.double().mean())


def difference(gradients: Gradients, reference: Gradients) -> float:
    """The largest relative difference over the parameters."""
    pairs = zip(gradients, reference, strict=True)
    return max(float((g.double() - r.double()).norm() / r.double().norm()) for g, r in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.set_defaults(clock="none")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="into these docs")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ways, samples = (WAYS[-2:], 4) if options.quick else (WAYS, options.samples)
    judge = Judge(*trained(options.run, options.data_dir, samples))
    found: dict[str, Any] = {"run": options.run.name, "quick": options.quick, "samples": samples}
    found |= {"tolerance": options.tolerance, **where(options)}
    found["results"] = []
    for way in ways:
        found["results"].append(judge.row(way, options.tolerance))
        print(f"{len(found['results'])} of {len(ways)}: {way.name}", file=sys.stderr, flush=True)
    print(json.dumps(found, indent=1))
    if options.save:
        figures.save("fewer_sweeps", found, options.save)


if __name__ == "__main__":
    main()
