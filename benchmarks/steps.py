"""EP steps against their convolution floor, and against the other estimators.

    python benchmarks/steps.py SPEC [SPEC ...] [--batch 8 64] [--repeats 5] [--threads 2]

Each repeat times one step of every estimator and each floor once, in turn and in one
process, so that what else the machine does meets all of them alike. A ratio is that of the
two times of one repeat; the median over repeats is reported, with the extremes. Every
estimator makes the sweeps that the spec gives the nudged phase: EP's two nudged phases so
many each, implicit differentiation so many to a tolerance of 0, autodiff through so many.
A table goes to stderr, JSON to stdout.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import torch

from ffebm_dsl.benchmarking.floor import floor
from ffebm_dsl.build import build
from ffebm_dsl.gradients import EquilibriumPropagation, Estimator, Implicit, Unrolled
from ffebm_dsl.ir import compile_spec, read_source
from ffebm_dsl.ir.model import SpecIR
from ffebm_dsl.network import HybridNetwork

CLOCKS = {"wall": perf_counter, "cpu": process_time}
"""Seconds passed, or seconds that all threads of this process computed."""

Times = dict[str, list[float]]


def batch_of(spec: SpecIR, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random inputs and labels for ``spec``."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(size, *spec.model.input.shape, generator=generator)
    return x, torch.randint(0, spec.model.target.size, (size,), generator=generator)


def step(network: HybridNetwork, x: torch.Tensor, y: torch.Tensor) -> None:
    """One training step without the optimiser."""
    network.zero_grad()
    outcome = network(x, y)
    outcome.loss.backward()


def with_estimator(estimator: Estimator | None, network: HybridNetwork) -> Callable[..., None]:
    def run(x: torch.Tensor, y: torch.Tensor) -> None:
        if estimator is None:
            step(network, x, y)
            return
        with network.gradients_by(estimator):
            step(network, x, y)

    return run


def measure(
    spec: SpecIR, size: int, repeats: int, estimators: bool, clock: Callable[[], float]
) -> Times:
    """Seconds of each contender in each repeat, by ``clock``."""
    network, (x, y) = build(spec).train(), batch_of(spec, size)
    sweeps = max(block.core.nudged.sweeps for block in network.blocks)
    contenders: dict[str, Callable[[], object]] = {"ep": lambda: step(network, x, y)}
    for name, plain in (("floor", False), ("plain floor", True)):
        step(network, x, y)  # a floor is that of the step before it
        contenders[name] = floor(network, x, plain=plain)
    if estimators:
        one_sided = EquilibriumPropagation(beta=0.2, variant="positive")
        others = {
            "ep positive": one_sided,
            "implicit": Implicit(tolerance=1e-30, sweeps=sweeps),
            "unrolled": Unrolled(sweeps=sweeps),
        }
        for name, estimator in others.items():
            run = with_estimator(estimator, network)
            contenders[name] = lambda run=run: run(x, y)  # type: ignore[misc]
    times: Times = {name: [] for name in contenders}
    contenders["floor"]()
    for _ in range(repeats):
        for name, contender in contenders.items():
            start = clock()
            contender()
            times[name].append(clock() - start)
    return times


def summary(times: Times) -> dict[str, object]:
    """Median seconds, and EP's ratio to everything else repeat by repeat."""
    ratios = {
        name: [a / b for a, b in zip(times["ep"], other, strict=True)]
        for name, other in times.items()
        if name != "ep"
    }
    return {
        "seconds": {name: median(values) for name, values in times.items()},
        "times": times,
        "ep_over": {
            name: {"median": median(r), "least": min(r), "most": max(r)}
            for name, r in ratios.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("specs", nargs="+", type=Path)
    parser.add_argument("--set", nargs="*", default=[], metavar="K=V", help="of every spec")
    parser.add_argument("--batch", nargs="+", type=int, default=[8, 64])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--estimators", action="store_true", help="time the others too")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: where others use the machine too"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock, results = CLOCKS[options.clock], []
    for path in options.specs:
        overrides = dict(item.split("=", 1) for item in options.set)
        spec = compile_spec(read_source(path), overrides).spec
        for size in options.batch:
            times = measure(spec, size, options.repeats, options.estimators, clock)
            found = summary(times)
            results.append({"spec": path.stem, "batch": size, **found})
            print(f"{path.stem} batch {size}: {found['seconds']}", file=sys.stderr)
            print(f"  EP over {found['ep_over']}", file=sys.stderr)
    where = {
        "machine": platform.processor() or platform.machine(),
        "threads": options.threads,
        "clock": options.clock,
        "torch": torch.__version__,
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
    }
    print(json.dumps({**where, "results": results}, indent=1))


if __name__ == "__main__":
    main()
