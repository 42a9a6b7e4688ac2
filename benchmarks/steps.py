"""EP steps against their convolution floor, and against the other estimators.

    python -m benchmarks.steps SPEC [SPEC ...] [--batch 8 64] [--repeats 5] [--threads 2]

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
import sys
from pathlib import Path

import torch

from benchmarks.measuring import CLOCKS, add_options, compiled, measure, settings, summary, where
from ffebm_dsl.running.allocation import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("specs", nargs="+", type=Path)
    parser.add_argument("--set", nargs="*", default=[], metavar="K=V", help="of every spec")
    parser.add_argument("--batch", nargs="+", type=int, default=[8, 64])
    parser.add_argument("--estimators", action="store_true", help="time the others too")
    add_options(parser)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    clock, results = CLOCKS[options.clock], []
    for path in options.specs:
        spec = compiled(path, settings(options.set))
        for size in options.batch:
            times = measure(spec, size, options.repeats, options.estimators, clock)
            found = summary(times)
            results.append({"spec": path.stem, "batch": size, **found})
            print(f"{path.stem} batch {size}: {found['seconds']}", file=sys.stderr)
            print(f"  EP over {found['ep_over']}", file=sys.stderr)
    print(json.dumps({**where(options), "results": results}, indent=1))


if __name__ == "__main__":
    main()
