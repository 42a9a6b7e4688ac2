"""Peak memory of one training step by estimator and number of nudged sweeps.

    python -m benchmarks.memory SPEC [--set k=v ...] [--batch 16] [--sweeps 5 20 80]

Each measurement is a process of its own that makes one step and reports the increase of the peak
resident memory by the step, in MiB. JSON to stdout.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.measuring import batch_of, compiled, settings, step
from ffebm_dsl.build import build
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.physics.interfaces import Estimator
from ffebm_dsl.physics.network import HybridNetwork


def estimator(name: str, sweeps: int) -> Estimator:
    if name == "ep":
        return EquilibriumPropagation(beta=0.2)
    return Unrolled(sweeps) if name == "unrolled" else Implicit(1e-30, sweeps)


def set_sweeps(network: HybridNetwork, nudged: int) -> None:
    """Set the number of nudged sweeps, after free phases of five.

    The free phase is the same for all estimators, and its length is not measured.
    """
    for block in network.blocks:
        s = block.core.settings
        block.core.configure(
            free=replace(s.free, sweeps=5, tolerance=0.0),
            nudged=replace(s.nudged, sweeps=nudged, tolerance=0.0),
        )


def peak_of_one_step(
    spec: Path, overrides: dict[str, str], name: str, sweeps: int, size: int
) -> float:
    """MiB by which a step raises the resident memory, in this process."""
    ir = compiled(spec, overrides)
    network, batch = build(ir).train(), batch_of(ir, size)
    set_sweeps(network, sweeps)
    before = highest()
    step(network, batch, network.settings(estimator=estimator(name, sweeps)))
    return highest() - before


def highest(status: Path = Path("/proc/self/status")) -> float:
    """MiB of the peak resident memory of this process so far.

    On Linux, a child process inherits the peak that getrusage reports from its parent, so that the
    child of a large process would seem to need nothing; the value in its status is its own.
    """
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak(spec: Path, sets: Sequence[str], name: str, sweeps: int, size: int) -> float:
    """The same in a process of its own, as a peak is never reset."""
    command = [sys.executable, "-m", "benchmarks.memory", str(spec), "--one", name]
    command += ["--sweeps", str(sweeps), "--batch", str(size), "--set", *sets]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec", type=Path)
    parser.add_argument("--set", nargs="*", default=[], metavar="K=V")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--sweeps", nargs="+", type=int, default=[5, 20, 80])
    parser.add_argument("--one", metavar="ESTIMATOR", help="measure this one, in this process")
    options = parser.parse_args()
    if options.one:
        torch.set_num_threads(1)
        sweeps = options.sweeps[0]
        print(
            peak_of_one_step(
                options.spec, settings(options.set), options.one, sweeps, options.batch
            )
        )
        return
    found: dict[str, dict[int, float]] = {}
    for name in ("ep", "implicit", "unrolled"):
        for sweeps in options.sweeps:
            mib = peak(options.spec, options.set, name, sweeps, options.batch)
            found.setdefault(name, {})[sweeps] = mib
            print(f"{name}, {sweeps} sweeps: {mib:.0f} MiB", file=sys.stderr, flush=True)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
