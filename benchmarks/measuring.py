"""Shared code of the benchmarks of steps: alternating contenders, ratios, and the environment."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import torch

from ffebm_dsl.build import build
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.constructs.gradients.unrolled import Unrolled
from ffebm_dsl.language.ir import compile_spec, read_source
from ffebm_dsl.language.ir.model import SpecIR
from ffebm_dsl.physics.interfaces import Estimator
from ffebm_dsl.physics.network import BlockSettings, HybridNetwork
from ffebm_dsl.tools.benchmarking.floor import floor

Clock = Callable[[], float]
CLOCKS: dict[str, Clock] = {"wall": perf_counter, "cpu": process_time}
"""Wall time, or the CPU time of all threads of this process, in seconds."""

Times = dict[str, list[float]]
Batch = tuple[torch.Tensor, ...]
"""The inputs of a network in their order, and the labels."""

Contenders = Mapping[str, Callable[[], object]]


def compiled(path: Path, overrides: Mapping[str, str]) -> SpecIR:
    """The spec of a file."""
    return compile_spec(read_source(path), overrides).spec


def batch_of(spec: SpecIR, size: int) -> Batch:
    """Random inputs and labels for ``spec``."""
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(size, *end.shape, generator=generator) for end in spec.model.inputs]
    labels = torch.randint(0, spec.model.target.size, (size,), generator=generator)
    return (*inputs, labels)


def step(
    network: HybridNetwork,
    batch: Batch,
    settings: Mapping[str, BlockSettings] | None = None,
) -> None:
    """One training step without the optimiser, with ``settings`` or else the blocks' own."""
    network.zero_grad()
    outcome = network(*batch, settings=settings)
    outcome.loss.backward()


def step_with(estimator: Estimator, network: HybridNetwork, batch: Batch) -> Callable[[], None]:
    """A step whose blocks all use ``estimator``."""

    def run() -> None:
        step(network, batch, network.settings(estimator=estimator))

    return run


def in_turn(contenders: Contenders, repeats: int, clock: Clock) -> Times:
    """Seconds of each contender in each repeat, by ``clock``; each runs once before."""
    times: Times = {name: [] for name in contenders}
    for contender in contenders.values():
        contender()
    for _ in range(repeats):
        for name, contender in contenders.items():
            start = clock()
            contender()
            times[name].append(clock() - start)
    return times


def measure(spec: SpecIR, size: int, repeats: int, estimators: bool, clock: Clock) -> Times:
    """Seconds of an EP step, its floors and, if asked, steps of the other ``estimators``."""
    network, batch = build(spec).train(), batch_of(spec, size)
    sweeps = max(block.core.settings.nudged.sweeps for block in network.blocks)
    contenders: dict[str, Callable[[], object]] = {"ep": lambda: step(network, batch)}
    for name, plain in (("floor", False), ("plain floor", True)):
        step(network, batch)  # a floor refers to the preceding step
        contenders[name] = floor(network, batch[:-1], plain=plain)
    if estimators:
        one_sided = EquilibriumPropagation(beta=0.2, variant="positive")
        contenders["ep positive"] = step_with(one_sided, network, batch)
        contenders["implicit"] = step_with(Implicit(1e-30, sweeps), network, batch)
        contenders["unrolled"] = step_with(Unrolled(sweeps), network, batch)
    return in_turn(contenders, repeats, clock)


def summary(times: Times) -> dict[str, object]:
    """Median seconds, and the ratios of EP to all others, repeat by repeat."""
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


def add_options(parser: argparse.ArgumentParser, repeats: int = 5) -> None:
    """Add the options of a benchmark of steps: repeats, threads, clock."""
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: where others use the machine too"
    )


def settings(items: Sequence[str]) -> dict[str, str]:
    """The values of ``--set`` as overrides."""
    return dict(item.split("=", 1) for item in items)


def where(options: argparse.Namespace) -> dict[str, object]:
    """The environment that a measurement depends on."""
    return {
        "machine": processor(),
        "threads": options.threads,
        "clock": options.clock,
        "torch": torch.__version__,
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name, if the system provides it."""
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
