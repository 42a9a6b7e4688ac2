"""The engine's sweeps against the same mathematics compiled by PyTorch.

    python -m benchmarks.compiled [SPEC] [--batch 8 64] [--sweeps 6] [--repeats 5] [--threads 1]

For every block the free phase's sweeps are timed from the same random state, in turn: by the engine
(`relax`), by the couplings' own modules one call after the other ("modules"), by
`torch.compile` of a sweep of those modules, and by the same with the weights frozen into what
is compiled, which packs them for oneDNN ("frozen"; a training run would have to compile that
anew at every step). The time to compile is that of the first call. A table goes to stderr,
JSON to stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn

from benchmarks.measuring import (
    CLOCKS,
    Clock,
    Times,
    add_options,
    batch_of,
    compiled,
    in_turn,
    where,
)
from ffebm_dsl.build import build
from ffebm_dsl.physics.energy import HopfieldEnergy
from ffebm_dsl.physics.interfaces import BoundEnergy, Relaxation, Schedule
from ffebm_dsl.physics.layout import channels_last
from ffebm_dsl.physics.network import EnergyBlock, HybridNetwork
from ffebm_dsl.physics.relaxation import relax

States = list[Tensor]


class Sweep(nn.Module):
    """A plain sweep of a block, by the modules of its couplings alone."""

    def __init__(self, energy: HopfieldEnergy, groups: Schedule) -> None:
        super().__init__()
        self.energy, self.groups = energy, groups

    def forward(self, states: States, drives: Sequence[Tensor]) -> States:
        states = list(states)
        for group in self.groups:
            fields = {i: self._field(states, drives, i) for i in group}
            for i, field in fields.items():
                states[i] = self.energy.layers[i].activation(field)
        return states

    def _field(self, states: States, drives: Sequence[Tensor], layer: int) -> Tensor:
        driven = [drive.layer for drive in self.energy.drives]
        terms = [u for u, i in zip(drives, driven, strict=True) if i == layer]
        for coupling in self.energy.couplings:
            chain = coupling.bound(coupling.weights())
            if coupling.target == layer:
                terms.append(chain.forward(states[coupling.source])[0])
            if coupling.source == layer:
                routing = chain.forward(states[layer])[1] if coupling.routed else ()
                terms.append(chain.adjoint(states[coupling.target], routing))
        return sum(terms[1:], terms[0])


def drives_of(network: HybridNetwork, x: Tensor) -> list[list[Tensor]]:
    """What drives each block on a batch, in order."""
    seen: list[list[Tensor]] = []
    for block in network.blocks:
        block.core.register_forward_pre_hook(
            lambda module, drives: seen.append([channels_last(u.detach()) for u in drives])
        )
    with torch.no_grad():
        network(x)
    return seen


def repeated(sweep: Callable[..., States], states: States, drives: list[Tensor], n: int) -> States:
    for _ in range(n):
        states = sweep(states, drives)
    return states


def compiled_sweep(
    module: Sweep, frozen: bool, states: States, drives: list[Tensor]
) -> tuple[Callable[..., States], float]:
    """The compiled sweep, and the seconds until its first result."""
    torch._dynamo.reset()
    torch._inductor.config.freezing = frozen
    sweep = torch.compile(module, dynamic=False)
    start = perf_counter()
    sweep(states, drives)
    return sweep, perf_counter() - start


def measure(
    network: HybridNetwork, x: Tensor, sweeps: int, repeats: int, clock: Clock
) -> dict[str, dict[str, object]]:
    """By block and in all: times, and their medians over the engine's; see :func:`_block`."""
    found = {
        block.name: _block(block.core, drives, sweeps, repeats, clock)
        for block, drives in zip(network.blocks, drives_of(network, x), strict=True)
    }
    rows = [_times(row) for row in found.values()]
    totals = {
        name: [sum(parts) for parts in zip(*(row[name] for row in rows), strict=True)]
        for name in rows[0]
    }
    return {**found, "all blocks": {"times": totals, "over engine": over_engine(totals)}}


def _block(
    core: EnergyBlock, drives: list[Tensor], sweeps: int, repeats: int, clock: Clock
) -> dict[str, object]:
    """Times of one block; seconds to compile; differences from the engine after a sweep."""
    energy, plan = core.energy, replace(core.settings.free, sweeps=sweeps, tolerance=0.0)
    assert isinstance(energy, HopfieldEnergy)
    # Weights are packed once a step, for many more sweeps than these: not timed.
    bound = energy.bind(drives, energy.weights())
    start = [torch.rand_like(s) for s in bound.zero_state()]
    module = Sweep(energy, plan.schedule).eval()
    engine = partial(_engine, bound, start)
    one: dict[str, Callable[..., States]] = {"modules": module}
    seconds: dict[str, float] = {}
    for name, frozen in (("compiled", False), ("frozen", True)):
        one[name], seconds[name] = compiled_sweep(module, frozen, start, drives)
    ways = {name: partial(repeated, sweep, start, drives, sweeps) for name, sweep in one.items()}
    times = in_turn({"engine": partial(engine, plan), **ways}, repeats, clock)
    reference = engine(replace(plan, sweeps=1))
    return {
        "times": times,
        "over engine": over_engine(times),
        "seconds to compile": seconds,
        "difference": {n: _apart(sweep(start, drives), reference) for n, sweep in one.items()},
    }


def over_engine(times: Times) -> dict[str, float]:
    """Median ratio to the engine's time, taken repeat by repeat."""
    return {
        name: median(a / b for a, b in zip(values, times["engine"], strict=True))
        for name, values in times.items()
        if name != "engine"
    }


def _times(row: dict[str, object]) -> Times:
    times = row["times"]
    assert isinstance(times, dict)
    return times


def _engine(bound: BoundEnergy, start: States, plan: Relaxation) -> States:
    return relax(bound.dynamics(), start, plan).state


def _apart(states: States, reference: States) -> float:
    """The largest relative difference over the layers."""
    pairs = zip(states, reference, strict=True)
    return max(float((s - r).norm() / r.norm().clamp_min(1e-30)) for s, r in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec", nargs="?", type=Path, default=Path("specs/paper/split_l6_bs2.ffe"))
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--sweeps", type=int, default=6)
    add_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    spec = compiled(options.spec, {})
    results: dict[str, object] = {"where": where(options), "sweeps": options.sweeps}
    for size in options.batch:
        with torch.no_grad():
            network, (x, _) = build(spec).eval(), batch_of(spec, size)
            found = measure(network, x, options.sweeps, options.repeats, CLOCKS[options.clock])
        results[f"batch {size}"] = found
        for block, row in found.items():
            shown = {key: value for key, value in row.items() if key != "times"}
            print(f"batch {size}, {block}: {shown}", file=sys.stderr, flush=True)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
