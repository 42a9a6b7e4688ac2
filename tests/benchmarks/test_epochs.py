"""The parts of an epoch's time, on a short training."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import pytest

from benchmarks import epochs
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.running.training import Options
from tests.unit.running.training import runs


@pytest.fixture
def job(tmp_path: Path) -> tuple[object, Options]:
    runs.write_data(tmp_path)
    compiled = compile_spec(SourceFile("small.ffe", runs.SPEC), {"epochs": "1"})
    return compiled, Options({"epochs": "1"}, tmp_path, device="cpu")


def test_every_part_of_a_training_is_clocked(job: tuple, capsys: pytest.CaptureFixture) -> None:
    rows = list(epochs.epoch(*job, -1, perf_counter))
    shares = {row["at"]: row["share"] for row in rows}
    parts = ["compute", "loading", "logging", "saving", "judgement", "amplification", "rest"]
    assert set(shares) == {*parts, "overhead"}
    assert all(share > 0 for share in shares.values())
    assert sum(shares[part] for part in parts) == pytest.approx(1)
    assert shares["overhead"] == pytest.approx(1 - shares["compute"])


def test_what_happens_inside_a_part_counts_to_it() -> None:
    ticks = iter(range(100))
    shares = epochs.Shares(lambda: float(next(ticks)))
    inner = shares.of("compute", lambda: None)
    shares.of("evaluation", lambda: (inner(), inner()))()
    inner()
    assert shares.seconds == {"evaluation": 1.0, "compute": 1.0}


def test_the_evaluation_is_no_overhead() -> None:
    rows = epochs.share_rows(30.0, {"compute": 18.0, "loading": 1.0, "evaluation": 10.0})
    found = {row["at"]: row["share"] for row in rows}
    assert found == {"compute": 0.9, "loading": 0.05, "rest": 0.05, "overhead": 0.1}
