"""The notebooks of examples/notebooks run, and print what they show."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
NUMBER = re.compile(r"\d[\d.]*(?:e[+-]?\d+)?")


def cells(path: Path) -> list[dict[str, Any]]:
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def program(path: Path) -> str:
    return "\n\n".join("".join(cell["source"]) for cell in cells(path))


def printed(found: list[dict[str, Any]]) -> str:
    """What cells printed, each number as 0."""
    outputs = [output for cell in found for output in cell["outputs"]]
    texts = ["".join(o["text"]) for o in outputs if o["output_type"] == "stream"]
    return NUMBER.sub("0", "".join(texts)).replace("-0", "0")


def figures(found: list[dict[str, Any]]) -> int:
    outputs = [output for cell in found for output in cell["outputs"]]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"against_backprop", "idea", "noisy_device"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_outputs_are_there(path: Path) -> None:
    found = cells(path)
    assert [cell["execution_count"] for cell in found] == list(range(1, len(found) + 1))
    assert figures(found) == program(path).count("plt.show()") > 1
    assert printed(found)
    kinds = {output["output_type"] for cell in found for output in cell["outputs"]}
    assert kinds <= {"stream", "display_data"}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(p, id=p.stem, marks=[] if p.stem == "idea" else pytest.mark.slow)
        for p in NOTEBOOKS
    ],
)
def test_the_cells_run_as_a_program(path: Path, tmp_path: Path) -> None:
    (tmp_path / "cells.py").write_text(program(path), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "cells.py"],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert NUMBER.sub("0", done.stdout).replace("-0", "0") == printed(cells(path))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(path: Path, tmp_path: Path) -> None:
    if find_spec("nbclient") is None:
        pytest.skip("nbclient is not installed: make docs")
    copy = tmp_path / path.name
    run = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", str(path)]
    waits = ["--ExecutePreprocessor.startup_timeout=600", "--ExecutePreprocessor.timeout=1200"]
    subprocess.run([*run, *waits, "--output", str(copy)], check=True, capture_output=True)
    assert printed(cells(copy)) == printed(cells(path))
    assert figures(cells(copy)) == figures(cells(path))
