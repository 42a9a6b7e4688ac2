"""The time of ``ffebm fmt`` for a spec of 1,000 lines, as a whole process.

``python -m benchmarks.formatting`` formats a spec that needs it (so that the result is parsed and
laid out again) and one in canonical layout, and prints the minimum and the median wall time of
both, and the CPU time of the median run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
LINES = 1000
RUNS = 9


def long_spec(lines: int = LINES) -> str:
    """The MNIST spec with its two blocks repeated until it has this number of lines."""
    text = (ROOT / "specs/small/mnist.ffe").read_text(encoding="utf-8")
    start, end = text.index("  block b1 {"), text.index("  readout")
    body = text[start:end]
    copies = [
        body.replace("b1", f"b{2 * i + 1}").replace("block b2", f"block b{2 * i + 2}")
        for i in range(-(-(lines - text.count("\n")) // body.count("\n")) + 1)
    ]
    return text[:start] + "".join(copies) + text[end:]


def run(path: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one ``ffebm fmt``."""
    before, start = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "ffebm_dsl", "fmt", str(path)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    wall, after = time.perf_counter() - start, os.times()
    spent = after.children_user + after.children_system
    return wall, spent - before.children_user - before.children_system


def main() -> None:
    canonical = long_spec()
    for name, text in (
        ("needs formatting", canonical.replace("    out = s2", "    out   =s2")),
        ("is canonical", canonical),
    ):
        measured = []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "long.ffe"
            for _ in range(RUNS):
                path.write_text(text, encoding="utf-8")
                measured.append(run(path))
        walls, spent = zip(*measured, strict=True)
        print(
            f"{name}: {text.count(chr(10))} lines, {RUNS} runs: wall least {min(walls):.2f} s, "
            f"median {median(walls):.2f} s; processor median {median(spent):.2f} s"
        )


if __name__ == "__main__":
    main()
