"""Time of a step for the split specs, and as a function of batch size, depth and sweeps.

    python -m benchmarks.scaling split|batch|depth|sweeps [--quick] [--save docs]

`split`: the six split specs, all estimators. `batch`: split L6 at 1 to 256 samples, with 12 + 4
sweeps. `depth`: 2 to 15 layers of one width, in blocks of two and in one block. `sweeps`: split L12
with 5 to 200 nudged sweeps, time and peak memory of each estimator. Contenders alternate, and
ratios are within one repeat. `--quick` uses networks and series too small to be meaningful. JSON
goes to stdout; `--save` also writes it, with a plot, below FOLDER/figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from benchmarks import figures
from benchmarks.measuring import (
    CLOCKS,
    Clock,
    add_options,
    batch_of,
    compiled,
    in_turn,
    measure,
    step_with,
    summary,
    where,
)
from benchmarks.memory import estimator, peak, set_sweeps
from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.running.allocation import keep_freed_memory

PAPER = Path(__file__).parent.parent / "specs" / "paper"
SPLIT = ("l6_bs2", "l6_bs3", "l6_bs6", "l12_bs2", "l12_bs3", "l12_bs4")
NARROW = {"width": "2", "sweeps": "3", "nudged": "2"}
"""Settings that make a split spec quick."""

Row = dict[str, object]


@dataclass(frozen=True)
class Effort:
    """The extent of a series."""

    quick: bool
    repeats: int
    clock: Clock


def split(effort: Effort) -> Iterator[Row]:
    """All estimators on each split spec, batch 8."""
    for name in SPLIT[:: 3 if effort.quick else 1]:
        spec = compiled(PAPER / f"split_{name}.ffe", NARROW if effort.quick else {})
        times = measure(spec, 2 if effort.quick else 8, effort.repeats, True, effort.clock)
        yield {"at": name, **summary(times)}


def batch(effort: Effort) -> Iterator[Row]:
    """EP and its floors from 1 to 256 samples."""
    spec = compiled(
        PAPER / "split_l6_bs2.ffe", NARROW if effort.quick else {"sweeps": "12", "nudged": "4"}
    )
    for size in (1, 2) if effort.quick else (1, 2, 4, 8, 16, 32, 64, 128, 256):
        times = measure(spec, size, effort.repeats, False, effort.clock)
        yield {"at": size, **summary(times)}


def depth(effort: Effort) -> Iterator[Row]:
    """EP and its floors from 2 to 15 layers, in blocks of two and in one block."""
    width = 4 if effort.quick else 64
    for layers in (2, 5) if effort.quick else (2, 3, 4, 6, 9, 12, 15):
        row: Row = {"at": layers}
        for name, sizes in (("blocks of two", in_twos(layers)), ("one block", [layers])):
            spec = compile_spec(SourceFile("deep.ffe", deep(sizes, width))).spec
            row[name] = summary(measure(spec, 8, effort.repeats, False, effort.clock))
        yield row


def sweeps(effort: Effort) -> Iterator[Row]:
    """Time and peak memory of each estimator from 5 to 200 nudged sweeps."""
    path, width, size = PAPER / "split_l12_bs2.ffe", "2" if effort.quick else "32", 16
    spec = compiled(path, {"width": width})
    network, batch = build(spec).train(), batch_of(spec, size)
    for count in (1, 2) if effort.quick else (5, 10, 20, 50, 100, 200):
        set_sweeps(network, count)
        names = ("ep", "implicit", "unrolled")
        steps = {name: step_with(estimator(name, count), network, batch) for name in names}
        times = in_turn(steps, effort.repeats, effort.clock)
        # Processes take seconds to start, so a quick series measures memory only once.
        weighed = () if effort.quick and count > 1 else names[: 1 if effort.quick else None]
        yield {
            "at": count,
            "seconds": {name: median(values) for name, values in times.items()},
            "times": times,
            "MiB": {name: peak(path, [f"width={width}"], name, count, size) for name in weighed},
        }


STUDIES: dict[str, Callable[[Effort], Iterator[Row]]] = {
    "split": split,
    "batch": batch,
    "depth": depth,
    "sweeps": sweeps,
}


def in_twos(layers: int) -> list[int]:
    """Sizes of blocks of two layers; the last has three if ``layers`` is odd."""
    return [2] * (layers // 2 - layers % 2) + [3] * (layers % 2)


def deep(sizes: list[int], width: int) -> str:
    """A spec with blocks of these numbers of layers, all of ``width`` channels on 8 x 8 pixels."""
    lines = ["ffe 1.0", "model deep {", "  input x: image(3, 8, 8)", "  target y: label(10)"]
    lines += ["  relax free { sweeps = 20  tolerance = 0 }", "  relax nudged { sweeps = 5 }"]
    lines += ["  gradient ep(beta=0.2)"]
    source = "x"
    for k, size in enumerate(sizes, 1):
        lines += [f"  block b{k} {{", f"    feedforward u = {source} |> conv2d({width}, kernel=3,"]
        lines += ["      padding=1)", "    energy hopfield {"]
        lines += [f"      layer s{i}: [{width}, 8, 8] hard_sigmoid" for i in range(1, size + 1)]
        lines += ["      u -> s1"]
        lines += [f"      s{i} <-> s{i + 1} : conv2d(kernel=3, padding=1)" for i in range(1, size)]
        lines += ["    }", f"    out = s{size}", "  }"]
        source = f"b{k}"
    lines += [f"  readout logits = {source} |> flatten() |> linear(10)"]
    return "\n".join([*lines, "  loss = cross_entropy(logits, y)", "}", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--quick", action="store_true", help="tiny networks, short series")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="into these docs")
    add_options(parser)
    options = parser.parse_args()
    if options.quick and options.save:
        parser.error("a quick series means nothing: --save takes a whole one")
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    effort = Effort(options.quick, 1 if options.quick else options.repeats, CLOCKS[options.clock])
    rows = []
    for row in STUDIES[options.study](effort):
        rows.append(row)
        print(f"{options.study} {row['at']}", file=sys.stderr, flush=True)
    found = {**where(options), "quick": options.quick, "results": rows}
    print(json.dumps(found, indent=1))
    if options.save:
        figures.save(options.study, found, options.save)


if __name__ == "__main__":
    main()
