"""What a lower precision costs of a trained network's gradient, against float64.

    python -m benchmarks.precision RUN [RUN ...] --data-dir DIR [--samples 16]
        [--variant centered] [--beta B] [--frozen N]

RUN is a run directory whose data are in DIR; test samples are used, and the network is in
training mode. Each way to relax is judged by the gradient of the mean loss: the least cosine
and the largest relative error over the parameters, against the same network in float64 with
the same sweeps. "whole states" multiplies the states themselves in low precision instead of
their increments. `--frozen` freezes the routing of max poolings after so many sweeps of the
free phase: with live routing a lower precision may lead to another equilibrium. A table goes
to stderr, JSON to stdout.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from torch import Tensor

from benchmarks.ways import trained
from ffebm_dsl.physics.energy import Precision
from ffebm_dsl.physics.energy.precision import Lowered
from ffebm_dsl.physics.gradients import EquilibriumPropagation
from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.tools.benchmarking import Nearness, gradients, nearness

FINISHES = (1, 2, 4, 8)
PHASES = (("nudged",), ("free",), ("free", "nudged"))


@contextmanager
def whole_states() -> Iterator[None]:
    """Multiply states, and not their increments, in low precision."""
    before = Lowered._increment

    def plain(
        self: Lowered,
        use: str,
        full: Callable[[Tensor], Tensor],
        low: Callable[[Tensor], Tensor],
        x: Tensor,
    ) -> Tensor:
        bias = getattr(self._full, "bias", None) if use == "forward" else None
        y = self._format.product(low, x)
        return y if bias is None else y + bias.view(-1, *[1] * (y.dim() - 2))

    Lowered._increment = plain  # type: ignore[method-assign]
    try:
        yield
    finally:
        Lowered._increment = before  # type: ignore[method-assign]


@contextmanager
def lowered(
    network: HybridNetwork, phases: tuple[str, ...], precision: Precision, finish: int
) -> Iterator[None]:
    """Relax these phases of every block in ``precision``."""
    before = [(block.core, block.core.free, block.core.nudged) for block in network.blocks]
    for core, *_ in before:
        for phase in phases:
            changed = replace(getattr(core, phase), precision=precision, finish=finish)
            setattr(core, phase, changed)
    yield
    for core, free, nudged in before:
        core.free, core.nudged = free, nudged


def study(network: HybridNetwork, x: Tensor, y: Tensor) -> Iterator[tuple[str, Nearness]]:
    """Each way and how near its gradient is; ``network`` is in float32."""
    reference = gradients(copy.deepcopy(network).double(), x.double(), y)

    def judged() -> Nearness:
        return nearness(gradients(network, x, y), reference)

    yield "full", judged()
    for precision in (Precision.TF32, Precision.BF16):
        for phases in PHASES:
            for finish in FINISHES:
                name = f"{precision}(finish={finish}), {' and '.join(phases)}"
                with lowered(network, phases, precision, finish):
                    yield name, judged()
                    if phases == ("nudged",):
                        with whole_states():
                            yield f"{name}, whole states", judged()


def prepare(network: HybridNetwork, options: argparse.Namespace) -> None:
    """Give ``network`` the options' estimator and routing."""
    for block in network.train().blocks:
        core, own = block.core, block.core.estimator
        assert isinstance(own, EquilibriumPropagation)
        beta = options.beta or own.beta
        core.estimator = EquilibriumPropagation(beta, options.variant)
        core.free = replace(core.free, routing_after=options.frozen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--variant", default="centered")
    parser.add_argument("--beta", type=float)
    parser.add_argument("--frozen", type=int, default=-1)
    options = parser.parse_args()
    results: dict[str, dict[str, object]] = {}
    for run in options.runs:
        network, x, y = trained(run, options.data_dir, options.samples)
        prepare(network, options)
        found = results[run.name] = {}
        for name, near in study(network, x, y):
            found[name] = asdict(near)
            text = f"1 - {1 - near.cosine:.1e}  {near.relative_error:.1e}"
            print(f"{run.name:8} {name:48} {text}", file=sys.stderr, flush=True)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
