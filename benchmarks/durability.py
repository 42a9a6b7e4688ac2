"""The cost of durability: time spent in saving, relative to the time of training.

    python benchmarks/durability.py specs/small/mnist.ffe --data-dir DATA --steps 40

Trains for some steps and takes the mean CPU time of one, without the first five. Then measures the
wall time of a save with a record filled with the rows of the whole schedule, the most expensive
save. The cost is that of one save per epoch, or of one every ``--save-every`` seconds if that is
more often. Other work on the machine slows saves but does not add to the CPU time of steps, so the
printed cost is an upper bound (with one thread). JSON to stdout.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from pathlib import Path

import torch

from ffebm_dsl.language.ir import compile_spec, read_source
from ffebm_dsl.running.training import (
    Controls,
    Options,
    Progress,
    Session,
    StopRequest,
    start,
    train,
)
from ffebm_dsl.running.training.progress import Row

SETTLING = 5
"""Number of the first steps, which allocate memory and are not counted."""


class Clock(Progress):
    """The CPU times at which steps were done."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def step(self, row: Row) -> None:
        self.times.append(time.process_time())

    def step_seconds(self) -> float:
        times = self.times[SETTLING:]
        return (times[-1] - times[0]) / (len(times) - 1)


def fill(session: Session, steps: int) -> None:
    """Repeat the last rows of the record until it holds ``steps``."""
    for name in ("train", "relaxation"):
        table = session.record[name]
        columns = [column.name for column in table.group.columns]
        last = {column: table[column][-1].copy() for column in columns}
        for step in range(len(table) + 1, steps + 1):
            table.append(last | {"step": step})


def save_seconds(session: Session, repeats: int = 5) -> list[float]:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        session.save()
        times.append(time.perf_counter() - started)
    return times


def measure(spec: Path, data_dir: Path | None, steps: int, threads: int) -> dict[str, object]:
    """Times of steps and saves, and the fraction of the time spent in saving."""
    with tempfile.TemporaryDirectory(prefix="durability-") as folder:
        options = Options(data_dir=data_dir, device="cpu", threads=threads)
        session = start(compile_spec(read_source(spec)), options, Path(folder) / "run")
        clock = Clock()
        plan, data = session.job.plan, session.job.data
        train(session, Controls(StopRequest(), clock, steps))
        epoch_steps = math.ceil(len(data.train) / data.batch)
        fill(session, plan.epochs * epoch_steps)
        times = save_seconds(session)
        record = session.directory.record.stat().st_size
        step, save = clock.step_seconds(), statistics.median(times)
        epoch = step * epoch_steps
        saves = max(1.0, epoch / session.job.settings.save_every)
        return {
            "spec": str(spec),
            "threads": torch.get_num_threads(),
            "step_seconds": step,
            "steps_per_epoch": epoch_steps,
            "save_seconds": times,
            "record_bytes": record,
            "saves_per_epoch": saves,
            "cost": saves * save / epoch,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    print(json.dumps(measure(options.spec, options.data_dir, options.steps, options.threads)))


if __name__ == "__main__":
    main()
