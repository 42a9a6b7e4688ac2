"""Parts of the time of a training besides the steps.

    python -m benchmarks.epochs SPEC [--data-dir DIR] [--set K=V ...] [--max-steps N] [--clock cpu]

Trains like `ffebm train`, for one epoch by default, with the logs of `--log`, and measures the
parts: forward and backward pass and optimiser ("compute"), loading, reading and judging the step's
numbers ("judgement"), gradient diagnostics, the amplification of rounding, record, progress and
logs ("logging"), saving, evaluation; "rest" is everything else. Shares are relative to the time
without evaluation, and everything except compute is overhead. JSON goes to stdout.
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
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.measuring import CLOCKS, Clock, settings
from benchmarks.measuring import where as circumstances
from ffebm_dsl.language.ir import Compiled, compile_spec, read_source
from ffebm_dsl.running.allocation import keep_freed_memory
from ffebm_dsl.running.records.record import RecordTable
from ffebm_dsl.running.training import (
    Controls,
    Options,
    Progress,
    Session,
    StopRequest,
    judged,
    loop,
    measures,
    open_logs,
    start,
    train,
)
from ffebm_dsl.running.training.data.dataset import Dataset
from ffebm_dsl.running.training.judge import StepJudge
from ffebm_dsl.running.training.progress import Lines

Row = dict[str, object]


class Shares:
    """Seconds by part. A part inside another counts as the outer one."""

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
    """Measure the parts of a training of ``session``."""
    network, optimizer = session.job.network, session.job.optimizer
    places: list[tuple[object, str, str]] = [
        (network, "forward", "compute"),
        (torch.autograd, "backward", "compute"),
        (optimizer, "step", "compute"),
        (Dataset, "augmented", "loading"),
        (RecordTable, "append", "logging"),
        (Progress, "step", "logging"),
        (Session, "save", "saving"),
        (Session, "publish_record", "saving"),
        (judged, "evaluate", "evaluation"),
        (judged, "estimate_statistics", "evaluation"),
        (measures, "gradient_row", "diagnostics"),
        (loop, "record_amplification", "amplification"),
        (measures, "read_step", "judgement"),
        *((StepJudge, name, "judgement") for name in ("keep_buffers", "trouble")),
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
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        session = start(compiled, options, Path(folder) / "run")
        progress = Progress()
        progress.parts = [Lines(sys.stderr), *open_logs(logs, session)]
        controls = Controls(StopRequest(), progress, limit)
        with parts_timed(session, shares):
            before = clock()
            train(session, controls)
            total = clock() - before
    yield from share_rows(total, shares.seconds)


def share_rows(total: float, seconds: dict[str, float]) -> Iterator[Row]:
    """Parts with their share of ``total`` without evaluation; "overhead" is all except compute."""
    counted = {part: value for part, value in seconds.items() if part != "evaluation"}
    whole = total - seconds.get("evaluation", 0.0)
    counted["rest"] = whole - sum(counted.values())
    counted["overhead"] = whole - counted["compute"]
    for part, value in counted.items():
        yield {"at": part, "seconds": value, "share": value / whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec", type=Path)
    parser.add_argument("--set", nargs="*", default=[], metavar="K=V")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--max-steps", type=int, default=-1)
    parser.add_argument("--log", nargs="*", default=[], help="as ffebm train --log")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    asked = parser.parse_args()
    overrides = {"epochs": "1", **settings(asked.set)}
    options = Options(overrides, asked.data_dir, device="cpu", threads=asked.threads)
    compiled = compile_spec(read_source(asked.spec), overrides)
    rows = list(epoch(compiled, options, asked.max_steps, CLOCKS[asked.clock], asked.log))
    print(json.dumps({**circumstances(asked), "spec": asked.spec.stem, "results": rows}, indent=1))


if __name__ == "__main__":
    main()
