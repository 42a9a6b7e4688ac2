"""Cost of ``solver = auto`` compared with fixed choices, for specs that relax to a tolerance.

    python -m benchmarks.neutrality SPEC [SPEC ...] [--steps 30] [--save docs]

For each SPEC with its initial weights, and after some steps of Adam on random images: the seconds
of an EP step with each choice over those with plain sweeps, round by round, the choices
alternating; and the mean sweeps of a sample in all phases. ``over the best`` is auto over the fixed
choice with the smallest median. A choice applies to phases that have a tolerance and no noise.
``--set settle=1 width=8`` is for the specs that have these parameters. JSON goes to stdout.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks import figures
from benchmarks.measuring import (
    CLOCKS,
    add_options,
    batch_of,
    compiled,
    in_turn,
    settings,
    step,
    where,
)
from ffebm_dsl.build import build
from ffebm_dsl.language.ir.model import BlockIR, CallIR, RelaxIR, SpecIR
from ffebm_dsl.physics.network import HybridNetwork

AUTO = "auto"

FIXED: dict[str, dict[str, Any]] = {
    "plain": {"solver": CallIR("plain")},
    "over-relaxed 1.2": {"solver": CallIR("plain"), "over_relaxation": 1.2},
    "over-relaxed 1.4": {"solver": CallIR("plain"), "over_relaxation": 1.4},
    "anderson(2)": {"solver": CallIR("anderson", {"memory": 2})},
    "anderson(5)": {"solver": CallIR("anderson", {"memory": 5})},
}
"""The fixed choices, as keys of a phase."""

RATE = 2e-3
"""Learning rate of Adam for the second weights of a spec."""


def chosen(spec: SpecIR, keys: dict[str, Any]) -> SpecIR:
    """The spec with these keys in its phases that have a tolerance."""

    def phase(relax: RelaxIR) -> RelaxIR:
        return replace(relax, **keys) if relax.tolerance > 0 and not relax.noise else relax

    stages = tuple(
        replace(stage, free=phase(stage.free), nudged=phase(stage.nudged))
        if isinstance(stage, BlockIR)
        else stage
        for stage in spec.model.stages
    )
    return replace(spec, model=replace(spec.model, stages=stages))


def row(
    name: str, spec: SpecIR, weights: dict[str, Tensor], options: argparse.Namespace
) -> dict[str, Any]:
    """All choices on one spec with these weights."""
    batch = batch_of(spec, options.samples)
    networks: dict[str, HybridNetwork] = {}
    for way, keys in {**FIXED, AUTO: {}}.items():
        networks[way] = build(chosen(spec, keys)).train()
        networks[way].load_state_dict(weights)
    steps = {way: partial(step, network, batch) for way, network in networks.items()}
    times = in_turn(steps, options.repeats, CLOCKS[options.clock])
    best = min(FIXED, key=lambda way: median(times[way]))

    def over(way: str, other: str) -> float:
        return median(a / b for a, b in zip(times[way], times[other], strict=True))

    return {
        "at": name,
        "over plain": {way: over(way, "plain") for way in times},
        "best": best,
        "over the best": over(AUTO, best),
        "sweeps": {way: _sweeps(network) for way, network in networks.items()},
    }


def _sweeps(network: HybridNetwork) -> float:
    return sum(float(report.sweeps.double().mean()) for report in network.phases())


def rows(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Two rows for each spec in which a phase has a tolerance."""
    for path in options.specs:
        known = compiled(path, {}).parameters
        asked = {key: value for key, value in settings(options.set).items() if key in known}
        spec = compiled(path, asked)
        if not any(block.free.tolerance > 0 for block in spec.model.blocks):
            continue
        network, batch = build(spec).train(), batch_of(spec, options.samples)
        yield row(f"{path.stem}, new", spec, network.state_dict(), options)
        optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
        for _ in range(options.steps):
            step(network, batch)
            optimizer.step()
            network.project()
        yield row(f"{path.stem}, trained", spec, network.state_dict(), options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("specs", nargs="+", type=Path)
    parser.add_argument("--set", nargs="*", default=[], metavar="K=V")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--samples", type=int, default=16)
    add_options(parser, repeats=9)
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="into these docs")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = {"quick": False, "samples": options.samples, "steps": options.steps}
    found |= {**where(options), "results": list(rows(options))}
    print(json.dumps(found, indent=1))
    if options.save:
        figures.save("neutrality", found, options.save)


if __name__ == "__main__":
    main()
