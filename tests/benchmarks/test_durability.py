"""The benchmark of durability runs, and its numbers are consistent."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.durability import measure

SPECS = Path(__file__).parents[2] / "specs" / "small"


@pytest.mark.slow
def test_the_cost_is_saves_over_training() -> None:
    found = measure(SPECS / "smallest.ffe", None, 8, threads=1)
    assert found["steps_per_epoch"] == 46 and found["saves_per_epoch"] == 1.0
    saves = sorted(found["save_seconds"])  # type: ignore[call-overload]
    step = found["step_seconds"]
    assert isinstance(step, float) and step > 0
    assert found["cost"] == pytest.approx(saves[2] / (46 * step))
    assert found["record_bytes"] > 460 * 8 * 9  # type: ignore[operator]
