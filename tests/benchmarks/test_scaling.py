"""The series of docs/performance.md, with small networks."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest

from benchmarks import figures, scaling
from benchmarks.measuring import processor
from benchmarks.memory import highest
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec

WHERE = {"machine": "m", "threads": 1, "clock": "wall", "torch": "t", "date": "d", "quick": False}


# One of them in `make test`: all are made by the same code.
@pytest.mark.parametrize(
    "study",
    [
        study if study == "depth" else pytest.param(study, marks=pytest.mark.slow)
        for study in scaling.STUDIES
    ],
)
def test_a_series_is_measured_and_plotted(study: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = list(scaling.STUDIES[study](scaling.Effort(True, 1, perf_counter)))
    assert len(rows) == 2
    if study == "sweeps":  # a quick series weighs one point only
        rows[1]["MiB"] = rows[0]["MiB"]
    figures.save(study, {**WHERE, "results": rows}, tmp_path)
    assert "<svg" in (tmp_path / "figures" / f"{study}.svg").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "figures" / f"{study}.json").read_text())["results"] == rows


def test_a_quick_series_does_not_enter_the_docs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="quick"):
        figures.save("batch", {**WHERE, "quick": True, "results": []}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_page_shows_every_series() -> None:
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "performance.md").read_text(encoding="utf-8")
    for name in figures.PANELS:
        assert f"](figures/{name}.svg)" in page
        assert (docs / "figures" / f"{name}.json").is_file()


@pytest.mark.parametrize("layers", range(2, 16))
def test_generated_specs_are_as_deep_as_they_say(layers: int) -> None:
    for sizes in (scaling.in_twos(layers), [layers]):
        spec = compile_spec(SourceFile("deep.ffe", scaling.deep(sizes, 4))).spec
        assert sum(len(block.layers) for block in spec.model.blocks) == layers


def test_a_process_does_not_inherit_the_peak_of_the_one_that_starts_it() -> None:
    """What getrusage tells would be at least the ballast."""
    ballast = b"x" * (256 * 2**20)
    # The function alone: what its module imports needs more memory than the ballast.
    head = "import resource\nfrom pathlib import Path\n"
    code = f"{head}{inspect.getsource(highest)}\nprint(highest())"
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert highest() > len(ballast) / 2**20
    assert float(answer) < 100


def test_a_processor_is_named(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor: 0\nmodel name\t: Some CPU\n")
    assert processor(tmp_path / "cpuinfo") == "Some CPU"
    assert processor(tmp_path / "none")
