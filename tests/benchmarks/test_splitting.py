"""The splitting benchmark: its settings are valid, and its table tells runs that agree."""

from __future__ import annotations

from pathlib import Path

from benchmarks.splitting import TRAININGS, Result, _result, table
from ffebm_dsl.comparison import compare
from ffebm_dsl.ir import compile_spec, read_source


def test_every_training_is_one_network_split_differently() -> None:
    specs = [
        compile_spec(read_source(t.spec), t.settings(epochs=4)).spec for t in TRAININGS
    ]  # fmt: skip
    assert all(compare(specs[0], spec).verdict.same for spec in specs[1:])
    assert [next(s.model.blocks).gradient.name for s in specs] == ["ep", "implicit", "ep", "ep"]
    assert all(spec.train == specs[0].train for spec in specs)


def result(name: str, size: int, top1: list[float], status: str = "finished") -> Result:
    return Result(name, size, "ep", status, 10, 1.0, top1)


def test_the_table_says_how_far_apart_finished_runs_are() -> None:
    runs = [result("bs2-ep", 2, [0.3, 0.61]), result("bs2-implicit", 2, [0.4, 0.6])]
    assert "EP against implicit: 1.00 points apart" in table(runs)
    assert "splits by EP" not in table(runs)
    runs += [result("bs3-ep", 3, [0.62]), result("bs6-ep", 6, [0.585])]
    assert "splits by EP: 3.50 points apart" in table(runs)


def test_what_is_not_finished_is_not_compared() -> None:
    runs = [result("bs2-ep", 2, [0.61]), result("bs2-implicit", 2, [0.6], "running")]
    assert "points apart" not in table(runs)


def test_what_has_not_begun_has_no_result(tmp_path: Path) -> None:
    assert _result(TRAININGS[0], tmp_path) is None
