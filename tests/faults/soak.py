"""``make soak``: every crash point, hundreds of kills, a thousand damaged files.

Prints the results, and writes them as JSON too. Exit code 1 if there was a fault.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults import damage, kills
from tests.faults.harness import (
    ROOT,
    Workers,
    can_trace,
    clear,
    summarise,
    try_point,
    unsafe_renames,
    whole_run,
)

Stage = Callable[[Workers, argparse.Namespace], dict[str, Any]]


def crash_points(kind: str) -> Stage:
    """Every write, sync, rename and removal of a run of three epochs, once each."""

    def stage(workers: Workers, options: argparse.Namespace) -> dict[str, Any]:
        reason = can_trace()
        if reason:
            return {"skipped": reason, "faults": []}
        points, bits, log = whole_run(workers)
        faults = unsafe_renames(log, workers.folder)
        verdicts = []
        for point in points:
            verdicts.append(try_point(workers, point, kind, bits))
            progress(f"{kind}: {len(verdicts)} of {len(points)}")
        codes = sorted({verdict.code for verdict in verdicts})
        told = summarise(verdicts).splitlines()
        return {"points": len(points), "exit codes": codes, "faults": faults + told}

    return stage


def random_kills(workers: Workers, options: argparse.Namespace) -> dict[str, Any]:
    """Kills at random instants over the digits and the MNIST spec."""
    generator = np.random.default_rng(options.seed)
    jobs = [(kills.digits(ROOT, options.digits_steps), options.kills - options.mnist_kills)]
    if options.mnist is not None:
        job = kills.mnist(options.mnist.absolute(), ROOT, options.mnist_steps)
        jobs.append((job, options.mnist_kills))
    tallies = []
    for job, count in jobs:
        clear(workers.folder)
        tally = kills.kill_at_random(workers, job, count, generator, ["0", "0.5", "600"], progress)
        tallies.append(tally)
    faults = [fault for tally in tallies for fault in tally.faults]
    return {"jobs": [asdict(tally) for tally in tallies], "faults": faults}


def damaged_files(workers: Workers, options: argparse.Namespace) -> dict[str, Any]:
    """Checkpoints and records, damaged at random, each read in its own process."""
    clear(workers.folder)
    generator = np.random.default_rng(options.seed)
    tally = damage.damage_files(workers, options.damages, generator, progress)
    return {"outcomes": dict(tally.outcomes), "faults": tally.faults}


STAGES: dict[str, Stage] = {
    "kill": crash_points("kill"),
    "full once": crash_points("full once"),
    "random kills": random_kills,
    "damaged files": damaged_files,
    "full for good": crash_points("full for good"),
}


def progress(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", action="append", choices=list(STAGES), help="only these")
    parser.add_argument("--out", type=Path, help="JSON file to write the result to")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--mnist", type=Path, help="folder with MNIST; without it: digits only")
    parser.add_argument("--mnist-kills", type=int, default=50, help="so many of the kills")
    parser.add_argument("--mnist-steps", type=int, default=20)
    parser.add_argument("--digits-steps", type=int, default=60)
    parser.add_argument("--damages", type=int, default=1000)
    options = parser.parse_args()
    if options.mnist is None:
        options.mnist_kills = 0
    return options


def main() -> int:
    options = arguments()
    result: dict[str, Any] = {"python": platform.python_version(), "system": platform.platform()}
    for name in options.stage or STAGES:
        started, used = time.monotonic(), os.times()
        with (
            tempfile.TemporaryDirectory(prefix="soak-") as folder,
            Workers(Path(folder)) as workers,
        ):
            result[name] = STAGES[name](workers, options)
        now = os.times()
        result[name]["seconds"] = round(time.monotonic() - started)
        result[name]["processor seconds"] = round(
            now.children_user + now.children_system - used.children_user - used.children_system
        )
        print(f"{name}: {json.dumps(result[name])}", flush=True)
        if options.out is not None:
            options.out.write_text(json.dumps(result, indent=1) + "\n")
    return int(any(result[name]["faults"] for name in options.stage or STAGES))


if __name__ == "__main__":
    sys.exit(main())
