"""The figure of sweeps in docs/performance.md, from the measurements in benchmarks/results.

python -m benchmarks.plots [--results FILE] [--out docs]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "2026-11-25.json"


def sweeps_figure(sweeps: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Mean sweeps per sample of each block, by how it is relaxed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    blocks = list(next(iter(sweeps.values()))["sweeps"])
    width = 0.8 / len(blocks)
    for k, block in enumerate(blocks):
        heights = [found["sweeps"][block] for found in sweeps.values()]
        axes.bar([i + k * width for i in range(len(heights))], heights, width, label=block)
    axes.set_xticks(
        [i + width * (len(blocks) - 1) / 2 for i in range(len(sweeps))],
        [name.replace(", ", "\n") for name in sweeps],
        fontsize=6,
    )
    axes.set(ylabel="sweeps per sample")
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs")
    options = parser.parse_args()
    results = json.loads(options.results.read_text(encoding="utf-8"))
    sweeps_figure(results["sweeps"], options.out / "performance_sweeps.svg")


if __name__ == "__main__":
    main()
