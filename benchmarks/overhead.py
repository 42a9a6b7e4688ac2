"""Overhead of hardware in the time of a training step, for each knob and for all together.

    python -m benchmarks.overhead SPEC [SPEC ...] [--batch 64] [--repeats 5] [--threads 1]

Every block of the SPEC is put on the same device, and makes all sweeps of its phases: with noise,
states do not converge, so with a tolerance numbers of sweeps would be compared. ``--tolerance``
keeps the SPEC's own tolerances. The ranges of converters have been determined, as after the first
batches of a training. Each repeat times one step of every device and one on ideal hardware, in turn
and in one process; ratios are within one repeat, and their median over repeats is reported, with
the extremes. A table goes to stderr, JSON to stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import torch

from benchmarks.measuring import (
    CLOCKS,
    Batch,
    add_options,
    batch_of,
    compiled,
    in_turn,
    step,
    where,
)
from ffebm_dsl.build import build
from ffebm_dsl.language.ir.model import IDEAL, BlockIR, CallIR, SpecIR
from ffebm_dsl.language.ir.resolve.bind import fill_defaults
from ffebm_dsl.language.registry import ARRAYS, CONVERTERS, HARDWARE
from ffebm_dsl.language.registry.shapes import Value
from ffebm_dsl.physics.hardware.port import CALIBRATION, Port
from ffebm_dsl.physics.network import HybridNetwork
from ffebm_dsl.running.allocation import keep_freed_memory

DAC, ADC = (CallIR(name, fill_defaults(CONVERTERS[name], {"bits": 8})) for name in ("dac", "adc"))
CONVERTED: dict[str, Value] = {"drives": DAC, "cotangents": DAC, "outputs": ADC, "updates": ADC}
ERRORS: dict[str, Value] = {
    "levels": 64,
    "write_noise": 0.01,
    "mismatch": 0.05,
    "transpose_mismatch": 0.05,
}
ARRAY = CallIR("array", fill_defaults(ARRAYS["array"], ERRORS))
NOISE = (CallIR("read", {"deviation": 0.01}), CallIR("state", {"deviation": 0.01}))
DEVICES: Mapping[str, dict[str, Value]] = {
    "converters": CONVERTED,
    "read noise": {"noise": NOISE[:1]},
    "converters and read noise": {**CONVERTED, "noise": NOISE[:1]},
    "weights": {"weights": ARRAY},
    "all, and state noise": {**CONVERTED, "noise": NOISE, "weights": ARRAY},
}
"""The settings of each device, by its name."""


def on(spec: SpecIR, keys: dict[str, Value]) -> SpecIR:
    """The spec with all blocks on a device with these keys."""
    device = CallIR("device", fill_defaults(HARDWARE, keys))
    stages = tuple(
        replace(stage, hardware=device.name) if isinstance(stage, BlockIR) else stage
        for stage in spec.model.stages
    )
    model = replace(spec.model, stages=stages)
    return replace(spec, version="1.1", hardware=(device,), model=model)


def at_full_length(spec: SpecIR) -> SpecIR:
    """The spec with tolerance 0 in every phase."""
    stages = tuple(
        replace(
            stage,
            free=replace(stage.free, tolerance=0.0),
            nudged=replace(stage.nudged, tolerance=0.0),
        )
        if isinstance(stage, BlockIR)
        else stage
        for stage in spec.model.stages
    )
    return replace(spec, model=replace(spec.model, stages=stages))


def calibrated(network: HybridNetwork, batch: Batch) -> HybridNetwork:
    """The network after a step that determined the ranges of its converters."""
    step(network, batch)
    for module in network.modules():
        if isinstance(module, Port):
            module.batches.fill_(CALIBRATION)
    return network


def measure(spec: SpecIR, options: argparse.Namespace) -> dict[str, object]:
    """Median seconds by device, and the ratios to ideal hardware."""
    specs = {IDEAL: spec.ideal()} | {name: on(spec, keys) for name, keys in DEVICES.items()}
    if not options.tolerance:
        specs = {name: at_full_length(one) for name, one in specs.items()}
    batch = batch_of(spec, options.batch)
    networks = {name: calibrated(build(one).train(), batch) for name, one in specs.items()}
    contenders = {name: partial(step, network, batch) for name, network in networks.items()}
    times = in_turn(contenders, options.repeats, CLOCKS[options.clock])
    ratios = {
        name: [a / b for a, b in zip(times[name], times[IDEAL], strict=True)] for name in DEVICES
    }
    return {
        "seconds": {name: median(values) for name, values in times.items()},
        "over_ideal": {
            name: {"median": median(r), "least": min(r), "most": max(r)}
            for name, r in ratios.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("specs", nargs="+", type=Path)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--tolerance", action="store_true", help="phases end at the SPEC's own")
    add_options(parser)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    results = []
    for path in options.specs:
        found = measure(compiled(path, {}), options)
        results.append({"spec": path.stem, "batch": options.batch, **found})
        print(f"{path.stem} batch {options.batch}: {found}", file=sys.stderr)
    print(json.dumps({**where(options), "results": results}, indent=1))


if __name__ == "__main__":
    main()
