"""Where the time of a training goes besides the steps, and what loading a batch costs.

    python -m benchmarks.epochs epoch SPEC [--data-dir DIR] [--max-steps N] [--save docs]
    python -m benchmarks.epochs loading SPEC [--data-dir DIR] [--save docs]

`epoch` trains for one epoch as `ffebm train` does, with the logs that `--log` names, and clocks
its parts: forward and backward pass and optimiser ("compute"), loading, diagnostics, record,
progress and logs ("logging"), saving, evaluation; "rest" is what none of them is. Shares are of
all but the evaluation, and all that is not compute is overhead. `loading` times batches of the
spec's own data, augmented, against EP steps on them, in turn. `--quick` takes five steps, or two
sizes. JSON goes to stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks import figures
from benchmarks.measuring import CLOCKS, Clock, Contenders, add_options, in_turn, settings, step
from benchmarks.measuring import where as circumstances
from ffebm_dsl.language.ir import Compiled, compile_spec, read_source
from ffebm_dsl.running.records.record import Table
from ffebm_dsl.running.training import (
    Controls,
    Options,
    Session,
    Several,
    StopRequest,
    judged,
    measures,
    open_logs,
    start,
    train,
)
from ffebm_dsl.running.training.data.dataset import Dataset
from ffebm_dsl.running.training.progress import Lines

DIAGNOSTICS = ("read_step", "gradient_row")
SIZES = (1, 4, 16, 64, 256)
Row = dict[str, object]


class Shares:
    """Seconds by part. Parts inside a part count to the outer one."""

    def __init__(self, clock: Clock) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._clock, self._inside = clock, False

    def of(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """``call``, with its seconds counted to ``part``."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return call(*args, **kwargs)
            self._inside, before = True, self._clock()
            try:
                return call(*args, **kwargs)
            finally:
                self._inside = False
                self.seconds[part] += self._clock() - before

        return timed


@contextmanager
def parts_timed(session: Session, shares: Shares) -> Iterator[None]:
    """Clock the parts of a training of ``session``."""
    network, optimizer = session.job.network, session.job.optimizer
    places: list[tuple[object, str, str]] = [
        (network, "forward", "compute"),
        (torch.autograd, "backward", "compute"),
        (optimizer, "step", "compute"),
        (Dataset, "augmented", "loading"),
        (Table, "append", "logging"),
        (Several, "step", "logging"),
        (Session, "save", "saving"),
        (Session, "publish_record", "saving"),
        (judged, "evaluate", "evaluation"),
        (judged, "estimate_statistics", "evaluation"),
        *((measures, name, "diagnostics") for name in DIAGNOSTICS),
    ]
    with ExitStack() as stack:
        for owner, name, part in places:
            timed = shares.of(part, getattr(owner, name))
            stack.enter_context(patch.object(owner, name, timed))
        yield


def epoch(
    compiled: Compiled, options: Options, limit: int, clock: Clock, logs: Sequence[str] = ()
) -> Iterator[Row]:
    """The share of each part in at most ``limit`` steps of training (-1: all)."""
    shares = Shares(clock)
    with tempfile.TemporaryDirectory() as folder:
        session = start(compiled, options, Path(folder) / "run")
        progress = Several([Lines(sys.stderr), *open_logs(logs, session)])
        controls = Controls(StopRequest(), progress, limit)
        with parts_timed(session, shares):
            before = clock()
            train(session, controls)
            total = clock() - before
    yield from share_rows(total, shares.seconds)


def share_rows(total: float, seconds: dict[str, float]) -> Iterator[Row]:
    """Parts with their share of ``total`` less the evaluation; "overhead" is all but compute."""
    counted = {part: value for part, value in seconds.items() if part != "evaluation"}
    whole = total - seconds.get("evaluation", 0.0)
    counted["rest"] = whole - sum(counted.values())
    counted["overhead"] = whole - counted["compute"]
    for part, value in counted.items():
        yield {"at": part, "seconds": value, "share": value / whole}


def loading(
    compiled: Compiled, options: Options, sizes: tuple[int, ...], repeats: int, clock: Clock
) -> Iterator[Row]:
    """A batch's loading against an EP step on it."""
    with tempfile.TemporaryDirectory() as folder:
        session = start(compiled, options, Path(folder) / "run")
        with session.lock:
            pass
    network, data = session.job.network.train(), session.job.data.train
    for size in sizes:
        order = np.random.default_rng(1).permutation(len(data))[:size]
        x, y = data.augmented(order, seed=1, epoch=0)
        contenders: Contenders = {
            "loading": lambda order=order: data.augmented(order, seed=1, epoch=0),  # type: ignore[misc]
            "step": lambda x=x, y=y: step(network, x, y),  # type: ignore[misc]
        }
        times = in_turn(contenders, repeats, clock)
        parts = zip(times["loading"], times["step"], strict=True)
        yield {
            "at": size,
            "seconds": {name: median(values) for name, values in times.items()},
            "times": times,
            "loading over step": median(a / b for a, b in parts),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=("epoch", "loading"))
    parser.add_argument("spec", type=Path)
    parser.add_argument("--set", nargs="*", default=[], metavar="K=V")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--max-steps", type=int, default=-1)
    parser.add_argument("--log", nargs="*", default=[], help="as ffebm train --log")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="into these docs")
    add_options(parser)
    asked = parser.parse_args()
    partial = asked.quick or asked.max_steps >= 0
    if partial and asked.save:
        parser.error("a part of an epoch means nothing: --save takes a whole one")
    overrides, clock = {"epochs": "1", **settings(asked.set)}, CLOCKS[asked.clock]
    options = Options(overrides, asked.data_dir, device="cpu", threads=asked.threads)
    compiled = compile_spec(read_source(asked.spec), overrides)
    if asked.study == "epoch":
        limit = 5 if asked.quick else asked.max_steps
        rows = epoch(compiled, options, limit, clock, asked.log)
    else:
        sizes, repeats = (SIZES[:2], 1) if asked.quick else (SIZES, asked.repeats)
        rows = loading(compiled, options, sizes, repeats, clock)
    found = {**circumstances(asked), "spec": asked.spec.stem, "quick": partial}
    found["results"] = list(rows)
    print(json.dumps(found, indent=1))
    if asked.save:
        figures.save(asked.study, found, asked.save)


if __name__ == "__main__":
    main()
