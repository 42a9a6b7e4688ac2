"""The run directories of a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffebm_dsl.language.diagnostics import InputError
from ffebm_dsl.tools.experiments.results import expand


def test_a_sweep_without_a_run_is_refused_beside_others(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    (sweep / "sweep.json").write_text('{"trials": [{"name": "a"}, {"name": "b"}]}')
    with pytest.raises(InputError, match="no trial"):
        expand([tmp_path / "run", sweep])
    (sweep / "b").mkdir()
    notes: list[str] = []
    assert expand([tmp_path / "run", sweep], notes.append) == [tmp_path / "run", sweep / "b"]
    assert notes == [f"note: {sweep}: 1 of 2 trials without a run are left out"]
    (sweep / "a").mkdir()
    expand([sweep], notes.append)
    assert len(notes) == 1
