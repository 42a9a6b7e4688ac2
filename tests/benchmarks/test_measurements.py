"""The benchmark of memory, on a small network."""

from __future__ import annotations

from pathlib import Path

from benchmarks.memory import peak_of_one_step
from tests.benchmarks.test_measuring import SPEC


def test_a_step_has_a_peak(tmp_path: Path) -> None:
    spec = tmp_path / "m.ffe"
    spec.write_text(SPEC)
    assert peak_of_one_step(spec, {}, "ep", 2, 2) >= 0
